"""Round-trip time for ssh, where the kernel has no netem: a relay that hands on every byte half a round trip later.

What it cannot do is delay TCP's own handshake; the first bytes of a connection wait for a whole round trip instead.
Its buffers have no end: a transfer takes a round trip longer, and is not slowed down by a window.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping


@contextlib.contextmanager
def relays(targets: Mapping[int, str], seconds: float) -> Iterator[None]:
    """Relay each local port to port 22 of an address, with so many seconds of round-trip time."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> list[asyncio.Server]:
        return [
            await asyncio.start_server(_relay(address, seconds), "127.0.0.1", port) for port, address in targets.items()
        ]

    async def close() -> None:
        for server in servers:
            server.close()
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    servers = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _relay(address: str, seconds: float) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the measurement is over
            await asyncio.sleep(seconds)  # the handshake
            there = await asyncio.open_connection(address, 22)
            await asyncio.gather(_later(reader, there[1], seconds / 2), _later(there[0], writer, seconds / 2))

    return connected


async def _later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Hand on what is read, each piece so many seconds after it came."""
    loop, pieces = asyncio.get_running_loop(), asyncio.Queue[tuple[float, bytes]]()

    async def hand_on() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                break
            writer.write(piece)
        writer.close()

    async def take() -> None:
        piece = b"-"
        while piece:
            try:
                piece = await reader.read(1 << 18)
            except ConnectionError:
                piece = b""
            pieces.put_nowait((loop.time() + seconds, piece))

    with contextlib.suppress(ConnectionError):
        await asyncio.gather(take(), hand_on())
