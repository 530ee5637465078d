"""How things are broken, and how it is told that a host is wholly on one generation."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import Site, current, sh

from lab.machines import Host

WINDOW = 300  # seconds, more than any switch of these tests may wait for its commit
EVIDENCE = """
cat /opt/lgtm/pending /opt/lgtm/reverting /run/lgtm/activate.log; tail -n 3 /opt/lgtm/log
systemctl status --no-pager lgtm-activate.service lgtm-revert.timer; journalctl --no-pager -n 60 -o short-precise
ps -eo pid,etimes,args | grep -e activate -e systemctl; true
"""
FULL = os.environ.get("LGTM_FAULTS") == "full"  # as `make faults` has it; otherwise a sample of each kind


@contextlib.contextmanager
def deploying(site: Site, *flags: str, **data: object) -> Iterator[subprocess.Popen[str]]:
    """A deploy under way, its output line by line."""
    inventory = site.folder / "lab.py"
    inventory.write_text(site._inventory(site.data | data))
    command = [str(Path(sys.executable).parent / "pyinfra"), "-y", *flags, str(inventory), "deploy.py"]
    environ = os.environ | {"PYINFRA_PROGRESS": "off", "LGTM_OFFLINE": "1", "PYTHONUNBUFFERED": "1"} | site.env
    with subprocess.Popen(
        command, cwd=site.root, env=environ, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    ) as controller:  # fmt: skip
        try:
            yield controller
        finally:
            if controller.poll() is None:
                os.killpg(controller.pid, signal.SIGKILL)


def killed_at(site: Site, step: str, **data: object) -> bool:
    """Kill the controller the moment it begins a step; False when the deploy has no such step."""
    with deploying(site, **data) as controller:
        assert controller.stdout
        for line in controller.stdout:
            if f"Starting operation: {step}" in line:
                os.killpg(controller.pid, signal.SIGKILL)
                return True
    return False


def killed_after(site: Site, seconds: float, **data: object) -> bool:
    """Kill the controller after a time; False when it was done before that."""
    with deploying(site, **data) as controller:
        try:
            controller.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(controller.pid, signal.SIGKILL)
            return True
    return False


def last_words(text: str, service: str) -> list[str]:
    """What a run says of a service that did not start; whether it is seen to begin at all is a matter of chance."""
    said = re.split(rf"{service} (?:keeps restarting|did not start):\n", text)
    assert len(said) == 2, text
    return [line.partition("] ")[2] or line for line in said[1].splitlines()]


def until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def switching(host: Host) -> bool:
    """Whether an activation or a revert is at work on the host, or waits for its time."""
    left = "test -e /opt/lgtm/pending -o -e /opt/lgtm/reverting && echo yes || true"
    return bool(sh(host, left)) or sh(host, "systemctl is-active lgtm-activate || true") == "active"


def whole(host: Host) -> None:
    """Every service is active, ready, and runs what `current` says: its binary and its files; now, or before long."""
    if not until(lambda: not ill(host), 60):
        told = sh(host, EVIDENCE)  # of an activation that did not come to its end: its timer takes it back
        until(lambda: not switching(host), WINDOW)
        until(lambda: not ill(host), 60)
        assert not ill(host), f"{ill(host)}\n{told}"
        print(f"only the timer made it whole:\n{told}")


def ill(host: Host) -> str:
    """What is not as `current` says, a line each."""
    script = """
    cd /opt/lgtm/current
    for service in $(cat order); do
        systemctl -q is-active lgtm-$service || echo "$service is not active"
        url=$(sed -n 's/^ready [0-9]* //p' services/$service)
        curl -sf -o /dev/null --max-time 5 "$url" || echo "$service is not ready"
        exe=$(readlink /proc/$(systemctl show -P MainPID lgtm-$service)/exe)
        case $exe in "$(sed -n 's/^artifact //p' services/$service)"/*) ;; *) echo "$service runs $exe" ;; esac
        sed -n 's/^restart-file //p' services/$service | while read -r f; do sha256sum "$f"; done |
            cmp -s - /run/lgtm/$service.started || echo "$service was started from other files"
    done
    """
    return sh(host, script)


def heals(site: Site, host: Host, old: str, **data: object) -> None:
    """After a lost controller: the host is wholly on one generation, and the next run brings it to the new one."""
    run = site.deploy("--data", "unlock=true", **data)
    assert run.code == 0, run.text
    whole(host)
    new = current(host)
    again = site.deploy(**data)
    assert again.code == 0 and "nothing to do" in again.text, again.text
    assert (current(host), sh(host, "ls /opt/lgtm/generations | grep part || true")) == (new, "")
    assert new != old
