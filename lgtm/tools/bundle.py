"""Makes one archive for a site without internet: `python -m lgtm.tools.bundle inventories/prod.py`.

In it are the commit of this checkout, the Python packages that it runs with, and every artifact that the inventories'
hosts carry, by its sha256. Secrets are not in it. A deploy from it touches no network but SSH.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from importlib.metadata import distributions, requires
from pathlib import Path

from lgtm.artifacts.store import Store
from lgtm.load import release
from lgtm.load.declaration import BUNDLED, store
from lgtm.load.inventory import read, service_groups
from lgtm.load.plugins import services_of, tasks
from lgtm.model.errors import Exit, LgtmError, Refusal
from lgtm.model.settings import SiteSettings, build

NAME = "pyinfra-lgtm"
WHEELS = Path("bundle") / "wheels"


def main(arguments: list[str]) -> int:
    """Write the archive for these inventories into the current directory, and say what is in it."""
    if not arguments or arguments[0].startswith("-"):
        print("usage: python -m lgtm.tools.bundle INVENTORY…", file=sys.stderr)
        return Exit.USAGE
    try:
        print("\n".join(write(Path.cwd(), arguments, Path(f"{NAME}-bundle.tar"))))
    except LgtmError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return Exit.OK


def write(root: Path, inventories: list[str], archive: Path) -> list[str]:
    """Write the archive and give a line for each thing in it. Raises LgtmError, and then there is no archive."""
    if why := release.uncommitted(root):
        raise Refusal(f"a bundle contains a commit, and this is none: {why}; commit first")
    needed = {artifact: settings for path in inventories for artifact, settings in declared(path).items()}
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch) / NAME
        _run("git", "clone", "--quiet", "--depth=1", root.as_uri(), top)
        _run("git", "-C", top, "remote", "remove", "origin")
        lines = [_artifact(top / BUNDLED, root, each, settings) for each, settings in sorted(needed.items())]
        _packages(top / WHEELS)
        lines.append(f"{len(list((top / WHEELS).iterdir()))} Python packages, for this Python and this architecture")
        with tarfile.open(Path(scratch) / archive.name, "w") as tar:
            tar.add(top, NAME)
        shutil.move(Path(scratch) / archive.name, archive)
    return [*lines, f"{archive}, {archive.stat().st_size >> 20} MiB; docs/air-gapped.md says how to deploy from it"]


def declared(inventory: str) -> Mapping[tuple[str, str, str], SiteSettings]:
    """(artifact, version, arch) → the settings of a host that needs it. No host is asked, and no secret is read."""
    hosts = read(inventory)
    needed: dict[tuple[str, str, str], SiteSettings] = {}
    for host in hosts:
        data = host.data.dict()
        site = build(SiteSettings, "", host.name, data, {}, "")
        for service in services_of(host.name, service_groups(hosts, host, inventory)):
            default = tasks()[service].settings.model_fields["version"].default
            needed[service, str(data.get(f"{service}_version", default)), site.arch] = site
    if not needed:
        raise Refusal(f"{inventory} has no host with a service")
    return needed


def _artifact(folder: Path, root: Path, artifact: tuple[str, str, str], settings: SiteSettings) -> str:
    """Put one artifact into the bundle's folder, verified."""
    folder.mkdir(parents=True, exist_ok=True)
    source: Store = store(root, settings.model_copy(update={"artifact_push": True, "allow_unpinned": False}))
    resolved = source.resolve(*artifact)
    source.local_file(resolved)
    shutil.copy2(source.cache / resolved.sha256, folder)
    return f"{resolved}, sha256 {resolved.sha256}"


def _packages(folder: Path) -> None:
    """Have the Python packages that this project needs, in the versions that are installed here."""
    requirements = [each for each in requires(NAME) or [] if "extra ==" not in each]
    folder.mkdir(parents=True)
    pins = folder / "pins.txt"
    pins.write_text("".join(f"{each.name}=={each.version}\n" for each in distributions() if each.name != NAME))
    quietly = ("--quiet", "--disable-pip-version-check")
    _run(sys.executable, "-m", "pip", "wheel", *quietly, "--wheel-dir", folder, "--constraint", pins, *requirements)
    pins.unlink()


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LgtmError(f"`{' '.join(map(str, command[:4]))} …` failed: {done.stderr.strip()[-500:]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
