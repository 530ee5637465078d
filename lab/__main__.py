"""The lab's command line: `python -m lab --help`."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace

from . import prerequisites, services
from .contract import BACKEND_PORTS
from .errors import LabError
from .machines import Host, Lab
from .scenarios import describe

Action = Callable[[Lab, argparse.Namespace], None]


def main(arguments: list[str] | None = None, lab: Lab | None = None) -> int:
    """Run one command. Return 0 on success, 1 with a sentence on standard error otherwise."""
    options = _parser().parse_args(arguments)
    try:
        options.action(lab or Lab(), options)
        return 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; `make lab-down` cleans up, `make lab-up` continues", file=sys.stderr)
        return 130


def up(lab: Lab, options: argparse.Namespace) -> None:
    """boot hosts, and start the services they talk to"""
    replace(lab, suite=options.suite).up(options.hosts)
    status(lab, options)


def down(lab: Lab, _: argparse.Namespace) -> None:
    """stop everything, and remove every trace"""
    lab.down()


def reset(lab: Lab, options: argparse.Namespace) -> None:
    """reset hosts to bare disks, by default all"""
    lab.reset([_number(name) for name in options.host])


def ssh(lab: Lab, options: argparse.Namespace) -> None:
    """log in to a host, or run a command there"""
    host = lab.host(_number(options.host))
    if not host.is_running:
        raise LabError(f"{host.name} does not run: `make lab-up` starts hosts.")
    os.execvp("ssh", ["ssh", *host.ssh_options(), host.name, *options.command])


def status(lab: Lab, _: argparse.Namespace) -> None:
    """show what runs"""
    for host in lab.hosts:
        print(f"{host.name:<8} {host.address:<14} {_state(host)}")
    for name, runs in services.running(lab.network).items():
        print(f"{name:<8} {lab.network.gateway:<14} {'running' if runs else 'stopped'}")


def scenario(lab: Lab, options: argparse.Namespace) -> None:
    """switch the fake backend or the SMTP sink to a scenario"""
    lab.scenario(options.name, options.env)


def prepare(lab: Lab, _: argparse.Namespace) -> None:
    """build what takes long and is kept: the image of the hosts, and the artifacts"""
    lab.prepare()


def install(_: Lab, options: argparse.Namespace) -> None:
    """install the tools that the lab needs on this machine"""
    prerequisites.ensure(options.tests)


def _state(host: Host) -> str:
    if not host.is_running:
        return "stopped"
    return "running" if host.is_ready else "running, ssh does not answer"


def _number(name: str) -> int:
    digits = name.removeprefix("lab")
    if not digits.isdigit():
        raise LabError(f"{name!r} is not a host: say lab1, or 1.")
    return int(digits)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="Throwaway systemd hosts on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(action: Action, name: str = "") -> argparse.ArgumentParser:
        found = commands.add_parser(name or action.__name__, help=action.__doc__)
        found.set_defaults(action=action)
        return found

    starting = command(up)
    starting.add_argument("--hosts", type=int, default=1, metavar="N", help="at least this many (default 1)")
    starting.add_argument("--suite", default="", help="Debian release (default: the last one, at first bookworm)")
    command(down)
    command(reset).add_argument("host", nargs="*")
    login = command(ssh)
    login.add_argument("host")
    login.add_argument("command", nargs=argparse.REMAINDER)
    switching = command(scenario)
    switching.formatter_class, switching.description = argparse.RawDescriptionHelpFormatter, describe()
    switching.add_argument("name")
    switching.add_argument("--env", choices=tuple(BACKEND_PORTS), help="only this one (default: both)")
    command(status)
    command(prepare)
    command(install, "prerequisites").add_argument("--tests", action="store_true", help="and those that the tests need")
    return parser


if __name__ == "__main__":
    sys.exit(main())
