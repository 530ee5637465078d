"""Walk through a real Grafana with headless Chromium, take pictures, list what is wrong: exit 1 if anything is.

    python -m tests.browser --url http://127.0.0.1:3000 --env .env.prod --out pictures

The login is read from GRAFANA_ADMIN_USER (admin) and GRAFANA_ADMIN_PASSWORD, of the environment or of the file named
by --env. A Grafana on a host's loopback is reached through a tunnel: ssh -L 3000:127.0.0.1:3000 HOST.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import dotenv

from .chromium import Missing, browsing
from .walk import Walk

sys.path.insert(0, str(Path(__file__).parents[1] / "config"))
import dashboards


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    settings = dotenv.dotenv_values(options.env) | os.environ if options.env else dict(os.environ)
    password = settings.get("GRAFANA_ADMIN_PASSWORD")
    if not password:
        print("GRAFANA_ADMIN_PASSWORD is neither in the environment nor in the file of --env", file=sys.stderr)
        return 64
    empty = {*dashboards.EMPTY_WHEN_HEALTHY, *(tuple(one.split("/", 1)) for one in options.may_be_empty)}
    try:
        with browsing(options.url, options.out) as browser:
            walk = Walk(browser, empty)
            walk.all(settings.get("GRAFANA_ADMIN_USER") or "admin", password)
    except Missing as error:
        print(error, file=sys.stderr)
        return 1
    for finding in walk.findings:
        print(f"✗ {finding}")
    print(f"{len(walk.findings)} wrong; {browser.taken} pictures in {options.out}")
    return 1 if walk.findings else 0


def _parser() -> argparse.ArgumentParser:
    first, _, rest = str(__doc__).partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m tests.browser", description=first, epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--url", default="http://127.0.0.1:3000", help="of Grafana (default: %(default)s)")
    parser.add_argument("--env", type=Path, help="a file such as .env.prod")
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="folder of the pictures (default: pictures)")
    parser.add_argument(
        "--may-be-empty", action="append", default=[], metavar="UID/TITLE", help="a panel that may be without data"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
