"""Every file of every generation, without reaching a host: `python -m lgtm.tools.render inventories/prod.py [HOST]`.

It is what one reads in a review, and compares between two commits: `rendered/<inventory>/<host>/`. Secrets are masked;
where `.env.<environment>` is not there, as in CI, so is all that it would hold.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from lgtm.artifacts.store import NO_PIN
from lgtm.load.declaration import declare
from lgtm.load.inventory import read, site
from lgtm.model.declaration import Declaration
from lgtm.model.errors import Exit, LgtmError, Refusal, combined
from lgtm.model.secrets import MASK
from lgtm.tools import parsed

MARK = ".rendered"  # a file in each folder that is ours to write


def main(arguments: list[str]) -> int:
    """Write the files, and say a line for each host. The exit code is 3 when a declaration is refused."""
    parser = argparse.ArgumentParser(prog="python -m lgtm.tools.render", description=__doc__.splitlines()[0])
    parser.add_argument("inventory")
    parser.add_argument("host", nargs="?", default="", help="all of them when it is left out")
    parser.add_argument("--into", metavar="FOLDER", default="rendered", help="default: %(default)s")
    options = parsed(parser, arguments)
    try:
        declared = declarations(options.inventory, options.host)
        prepare(Path(options.into))
        for one in declared:
            folder = Path(options.into) / Path(options.inventory).stem / one.host
            write(folder, files(one))
            print(f"{one.host} {one.generation.id} in {folder}")
        _say_masked(declared)
        _refuse_unpinned(declared)
    except LgtmError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{options.into}: {error.strerror}; name another folder with --into", file=sys.stderr)
        return Exit.FAILED
    return Exit.OK


def declarations(inventory: str, host: str = "") -> list[Declaration]:
    """What the hosts of an inventory are declared to be. Raises Refusal with every problem of every host."""
    hosts = read(inventory)
    chosen = [one for one in hosts if host in ("", one.name)]
    if not chosen:
        raise Refusal(f"{inventory} has no host {host}; it has {', '.join(one.name for one in hosts)}")
    declarations, problems = [], []
    for one in chosen:
        try:
            declarations.append(declare(site(hosts, one)))
        except Refusal as refusal:
            problems += [line for line in str(refusal).splitlines() if line not in problems]
    if problems:
        raise combined(problems)
    return declarations


def files(declared: Declaration) -> dict[str, str]:
    """path → text: a generation's files, and a mask for each secret file."""
    secrets = {f"secrets/{name}": f"{MASK}\n" for name in declared.generation.secrets}
    return {**declared.generation.files, **secrets}


def prepare(into: Path) -> None:
    """Have the folder for all that is written. Raises Refusal for one that holds something else."""
    if into.is_dir() and any(into.iterdir()) and not (into / MARK).is_file():
        raise Refusal(f"{into} holds something else than generations; name another folder with --into")
    into.mkdir(parents=True, exist_ok=True)
    (into / MARK).touch()


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Replace the folder of one host by these files."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def _say_masked(declared: Iterable[Declaration]) -> None:
    for file in {f".env.{one.site.environment}": one for one in declared if not _environment(one).exists()}:
        print(f"{file} is not here: all that it would hold is masked", file=sys.stderr)


def _environment(declared: Declaration) -> Path:
    return declared.site.root / f".env.{declared.site.environment}"


def _refuse_unpinned(declared: Iterable[Declaration]) -> None:
    """Raise Refusal for what a deploy would be refused for: the files are written, and worth reading, all the same."""
    artifacts = {str(one): one for each in declared for one in each.generation.artifacts.values()}
    if unpinned := sorted(name for name, one in artifacts.items() if one.sha256 == NO_PIN):
        raise Refusal(f"no sha256 in artifacts.lock, so a deploy is refused: {'; '.join(unpinned)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
