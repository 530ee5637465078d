"""An SMTP sink: it takes mail from clients with the credentials, and keeps each message as a file.

AUTH PLAIN only: Alertmanager and aiosmtpd do not agree about LOGIN. And with STARTTLS: a Go program sends a
password in the clear to nobody but localhost. Other clients may log in without.
"""

import argparse
import asyncio
import email
import email.policy
import os
import ssl
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from .certificate import NAME
from .contract import SMTP_PASSWORD, SMTP_PORT, SMTP_USERNAME


class Sink:
    """Keeps accepted mail in a folder, as `.eml` files that sort by arrival."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:
        """Write a message, with the envelope in `X-Lab-` headers, and only then accept it."""
        message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.SMTP)
        message["X-Lab-From"] = envelope.mail_from
        message["X-Lab-To"] = ", ".join(envelope.rcpt_tos)
        message["X-Lab-Peer"] = session.peer[0] if session.peer else ""
        name = f"{time.time_ns()}.eml"
        unfinished = self.folder / f".{name}"
        unfinished.write_bytes(message.as_bytes())
        unfinished.rename(self.folder / name)
        return "250 kept"


class Doorkeeper:
    """Accepts a login with the right credentials, unless a file says that none is accepted."""

    def __init__(self, username: str, password: str, refusing: Path) -> None:
        self.expected = (username.encode(), password.encode())
        self.refusing = refusing

    def __call__(self, _: SMTP, __: Session, ___: Envelope, ____: str, credentials: object) -> AuthResult:
        """Check a login."""
        if not isinstance(credentials, LoginPassword) or self.refusing.exists():
            return AuthResult(success=False, handled=False)
        return AuthResult(success=(credentials.login, credentials.password) == self.expected, handled=False)


async def serve(address: str, sink: Sink, doorkeeper: Doorkeeper, tls: ssl.SSLContext, port: int = SMTP_PORT) -> None:
    """Take mail until stopped."""

    def session() -> SMTP:
        return SMTP(
            sink,
            hostname=NAME,
            tls_context=tls,
            auth_required=True,
            auth_require_tls=False,
            auth_exclude_mechanism=["LOGIN"],
            authenticator=doorkeeper,
        )

    server = await asyncio.get_running_loop().create_server(session, address, port)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve on one address, the credentials from the environment."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--mail", type=Path, required=True, help="where to keep messages")
    parser.add_argument("--refusing", type=Path, required=True, help="while this file exists, every login fails")
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    options = parser.parse_args()
    options.refusing.unlink(missing_ok=True)  # a new sink accepts, whatever the last one did
    doorkeeper = Doorkeeper(os.environ[SMTP_USERNAME], os.environ[SMTP_PASSWORD], options.refusing)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(options.certificate, options.key)
    asyncio.run(serve(options.address, Sink(options.mail), doorkeeper, tls))


if __name__ == "__main__":
    main()
