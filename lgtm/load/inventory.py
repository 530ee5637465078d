"""pyinfra's inventory → Site: the one place that knows both."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pyinfra.api.arguments import all_global_arguments
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.connectors.ssh import connector_data_meta
from pyinfra.context import ctx_state

from lgtm.load.commandline import options
from lgtm.load.plugins import services_of, tasks
from lgtm.model import secrets
from lgtm.model.errors import Refusal, combined
from lgtm.model.run import RUN, Options
from lgtm.model.secrets import Secret
from lgtm.model.settings import Settings, SiteSettings, Word, build, env_keys, keys_of, unknown_keys
from lgtm.model.site import Node, Site

FRAMEWORK_KEYS = {name for name, _ in all_global_arguments()} | set(connector_data_meta)


MASKS = (secrets.MASK * 2, "masked@example.invalid", "masked.example.invalid:25", "https://masked.example.invalid/")
ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)


class RunSettings(Settings):
    """What a person may say of one run with `--data`; it changes no host's declaration."""

    message: str = ""
    """Note for the lock and the log of each host."""
    patience: int = 0
    """`verify.py`: maximum wait, in seconds, for a failing check to become healthy."""
    unlock: bool = False
    """Break the lock of a run that has ended, and roll back an unfinished switch."""
    remove: str = ""
    """Services, separated by commas, to remove from hosts that are no longer in their groups. Data is kept."""
    oneway: str = ""
    """Services, separated by commas, whose one-way changes are accepted: there is no rollback after them."""
    to: Word = ""
    """`rollback.py`: id of the generation to go back to; empty = the last good one."""
    list: bool = False
    """`rollback.py`: list the generations and change nothing."""
    service: Word = ""
    """`backup.py`, `restore.py`, `destroy.py`: the service whose data is meant."""
    copy_name: Word = ""
    """`restore.py`: name of the backup to restore; empty = the newest."""
    confirm: str = ""
    """`destroy.py`: name of the host whose data is destroyed. With `promote=force`: name of the environment."""
    json_: str = ""
    """File to write the results to, as JSON."""
    html: str = ""
    """File to write the results to, as an HTML page."""
    mail: bool = False
    """`verify.py`: send a test alert, and wait until its mail has left."""
    problem: Word = ""
    """`diagnose.py`: id of one known problem to diagnose; empty = all."""
    promote: Literal["", "force"] = ""
    """`force` deploys a release that is not verified in `promote_from`."""

    @property
    def removable(self) -> frozenset[str]:
        return frozenset(filter(None, self.remove.split(",")))

    @property
    def accepted_oneway(self) -> frozenset[str]:
        return frozenset(filter(None, self.oneway.split(",")))


def read(path: str) -> Inventory:
    """Read an inventory's file, and connect to nobody. Raises Refusal for a file that cannot be read."""
    if not Path(path).is_file():
        raise Refusal(f"{path} is not an inventory file: name one such as inventories/prod.py")
    from pyinfra_cli.inventory import make_inventory  # pyinfra_cli patches threading for gevent when it is imported

    RUN.options = Options(inventory=path, offline=True)
    ctx_state.set(State())  # which pyinfra wants while it reads an inventory
    if not Path("config.py").is_file():
        raise Refusal("call this in the directory that config.py and group_data are in")
    try:
        made: Inventory = make_inventory(path, cwd=os.getcwd())
    except Exception as error:  # whatever a file of Python can raise
        raise Refusal(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    return made


def site(inventory: Inventory, host: Host) -> Site:
    """Give the inventory as a Site, seen from one host.

    Raises Refusal for everything in inventory and group data that nothing would read or that is wrong.
    """
    everywhere = _site(inventory)
    return everywhere.at(next(node for node in everywhere.nodes if node.name == host.name))


def run_settings(host: Host) -> RunSettings:
    """Give the settings of this run, from `--data`. Every run calls it first; raises Refusal for an invalid value."""
    options()
    return build(RunSettings, "", "--data", dict(host.data.dict()), {}, "")


def site_settings(host: Host) -> SiteSettings:
    """What belongs to a host, whatever it carries."""
    return build(SiteSettings, "", host.name, host.data.dict(), {}, "")


@cache
def _site(inventory: Inventory) -> Site:
    root = Path(os.getcwd())
    problems: list[str] = []
    nodes = []
    for host in inventory:
        try:
            nodes.append(_node(root, inventory, host))
        except Refusal as refusal:
            problems.append(str(refusal))
    if problems:
        raise combined(list(dict.fromkeys(problems)))
    known = tasks().values()
    return Site(
        nodes=tuple(nodes),
        here=nodes[0],
        uses={task.name: task.uses for task in known},
        scrapes={task.name: task.scrape for task in known},
        root=root,
    )


def _node(root: Path, inventory: Inventory, host: Host) -> Node:
    data = host.data.dict()
    known = FRAMEWORK_KEYS | keys_of(SiteSettings, "") | keys_of(RunSettings, "")
    known |= {key for task in tasks().values() for key in task.keys}
    unknown = unknown_keys(host.name, data, known)
    if unknown:
        raise combined(unknown)
    settings = site_settings(host)
    secret_values = _secrets(root, settings.environment)
    services = {
        name: build(tasks()[name].settings, f"{name}_", host.name, data, secret_values, settings.environment)
        for name in services_of(host.name, service_groups(inventory, host, options().inventory))
    }
    return Node(host.name, settings, services)


@cache
def _secrets(root: Path, environment: str) -> dict[str, Secret]:
    keys = [env for task in tasks().values() for env in env_keys(task.settings).values()]
    if options().offline and not (root / f".env.{environment}").exists():
        return _masks()
    return secrets.load(root, environment, {env.key for env in keys})


def _masks() -> dict[str, Secret]:
    """A mask for every key of `.env.<environment>`, where it is not there: the first one that such a value can be."""
    found: dict[str, Secret] = {}
    for task in tasks().values():
        for name, env in env_keys(task.settings).items():
            kind = TypeAdapter(task.settings.model_fields[name].rebuild_annotation(), config=ANY_TYPE)
            for mask in MASKS:
                with suppress(ValidationError):
                    kind.validate_python(mask if env.plain else Secret(mask))
                    found.setdefault(env.key, Secret(mask))
    return found


def service_groups(inventory: Inventory, host: Host, file: str) -> list[str]:
    """The host's groups but for those that pyinfra makes itself (one after the file) and those that only carry data."""
    own = {"all", Path(file).stem}
    return [group for group in dict.fromkeys(host.groups) if group not in own and not inventory.get_group_data(group)]
