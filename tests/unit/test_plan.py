"""The plan: what it finds on a host, in which words, and that carrying it out leaves nothing to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from examples import NONCE, SUPPORT, build, component, converged, full, links, running, sums
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lgtm.checklist.preflight import foreign_listeners
from lgtm.model.component import Component, ConfigFile, Port, SecretFile, Unit, Validator, Volume
from lgtm.model.generation import Generation, sha256
from lgtm.model.hoststate import HostState, Process, SecretState, Wrong, digest
from lgtm.model.plan import Plan
from lgtm.model.planning import UNITS, make
from lgtm.model.secrets import Secret

SERVICES = ("alpha", "beta", "gamma", "delta")
OTHER = "g0123456789ab"


def plan(wanted: Generation, found: HostState) -> Plan:
    return make("web1", wanted, found, NONCE, SUPPORT)


# --- a model of a host, which does what the plan says and nothing else


def apply(todo: Plan, found: HostState) -> HostState:
    """Carry a plan out on a value, step by step as `runs` enqueues them and the host scripts do them."""
    if todo.empty:
        return found
    for step in (_prepare, _write_secrets, _stage, _activate, _settle):
        found = step(todo, found)
    return found


def _prepare(todo: Plan, found: HostState) -> HostState:
    volumes = {v.path: (f"{user}:{user}", v.mode.lstrip("0"), "directory") for user, v in todo.volumes}
    return replace(
        found,
        users=found.users | set(todo.subjects("user")),
        volumes={**found.volumes, **volumes},
        wrong={path: state for path, state in found.wrong.items() if path not in volumes},
        closed={path: mode for path, mode in found.closed.items() if path not in todo.subjects("directory")},
        support={**found.support, **{path: sha256(SUPPORT[path]) for path in todo.subjects("support")}},
        links={**found.links, **(links(()) if todo.of("link") else {})},
        artifacts=found.artifacts | {artifact.directory for artifact in todo.artifacts},
    )


def _write_secrets(todo: Plan, found: HostState) -> HostState:
    values = {f"{c.service}/{s.name}": s.value for c in todo.generation.components for s in c.secrets}
    have = {name: state for name, state in found.secrets.items() if name not in todo.subjects("secret", "remove")}
    for change in todo.of("secret"):
        if change.action == "remove":
            continue
        name, fresh = change.subject, change.why.startswith("mode") and have[change.subject].fresh
        have[name] = SecretState("600:root", digest(NONCE, values[name]), fresh)
    return replace(found, secrets=have)


def _stage(todo: Plan, found: HostState) -> HostState:
    if not todo.stages:
        return found
    wanted = todo.generation
    return replace(found, sums={**found.sums, wanted.id: sums(wanted)}, odd={**found.odd, wanted.id: frozenset()})


def _activate(todo: Plan, found: HostState) -> HostState:
    """`activate.sh`: move `current`, make the links those of `current`, and no others."""
    if not todo.activates:
        return found
    if todo.of("switch"):
        assert todo.current == found.current
        found = replace(found, current=todo.generation.id)
    assert found.current in found.sums, "current points at nothing"
    ours = {path: target for path, target in found.links.items() if path.rsplit("/", 1)[1] not in todo.subjects("stop")}
    return replace(found, links={**ours, **links(todo.generation.services)})


def _settle(todo: Plan, found: HostState) -> HostState:
    wanted = todo.generation
    restarted, reloaded = todo.subjects("restart"), todo.subjects("reload")
    return replace(
        found,
        processes={**found.processes, **{service: running(wanted, service) for service in restarted}},
        started={**found.started, **{service: wanted.restart_files(service) for service in restarted}},
        loaded={**found.loaded, **{s: wanted.reload_files(s) for s in [*restarted, *reloaded]}},
        secrets={
            name: replace(state, fresh=state.fresh or name.split("/")[0] in restarted)
            for name, state in found.secrets.items()
        },
    )


# --- hosts and generations at random


def some(items: Any, least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(sorted(items)), unique=True, min_size=least) if items else st.just([])


@st.composite
def generations(draw: st.DrawFn) -> Generation:
    services = draw(some(SERVICES, least=1))
    return build(*(draw(components(service, services[:at])) for at, service in enumerate(services)))


@st.composite
def components(draw: st.DrawFn, service: str, before: list[str]) -> Component:
    kinds = st.sampled_from(["restart", "reload", "none"])
    files = draw(some(["a.yml", "b.yml", "rules/c.yml"]))
    return component(
        service,
        files=tuple(ConfigFile(path, draw(st.sampled_from("xyz")), draw(kinds)) for path in files),
        secrets=tuple(SecretFile(name, Secret(draw(st.sampled_from("pq")))) for name in draw(some("kl"))),
        volumes=tuple(Volume(f"/data/{service}{at}", mode) for at, mode in enumerate(draw(some(["0750", "0700"])))),
        unit=Unit(("{artifact}/" + service,), memory_max=draw(st.sampled_from([None, 2**30]))),
        after=tuple(draw(some(before))),
    )


@st.composite
def notes(draw: st.DrawFn, right: dict[str, str], odd_path: str) -> dict[str, str]:
    """Part of what is right, some of it with another sum, and perhaps a path too many."""
    found = {path: draw(st.sampled_from([right[path], sha256("other")])) for path in draw(some(right))}
    return found | draw(st.sampled_from([{}, {odd_path: sha256("more")}]))


@st.composite
def hosts(draw: st.DrawFn, wanted: Generation) -> HostState:
    """Anything between a bare host and one that has all, with much that nobody asked for."""
    full_ = converged(wanted)
    right, services = sums(wanted), [*wanted.services, "left_over"]
    staged = draw(st.sampled_from([{}, {wanted.id: right}, {wanted.id: draw(notes(right, "etc/extra"))}]))
    exes = st.sampled_from(["/usr/bin/other", "", "(deleted)"])
    names = [*full_.secrets, "left_over/key"]
    states = st.builds(
        SecretState,
        st.sampled_from(["600:root", "644:root", "600:nobody"]),
        st.sampled_from([digest(NONCE, Secret(value)) for value in "pqr"]),
        st.booleans(),
    )
    process = {
        s: draw(
            st.one_of(
                st.builds(Process, st.sampled_from(["active", "failed", "inactive", "activating"]), exes),
                st.just(full_.processes.get(s, Process("active", "/x"))),
            )
        )
        for s in draw(some(services))
    }
    volume = st.tuples(
        st.sampled_from(["root:root", *sorted(f"{u}:{u}" for u in full_.users)]),
        st.sampled_from(["750", "700", "777"]),
        st.just("directory"),
    )
    targets = {**full_.links, **links(["left_over"])}
    return HostState(
        current=draw(st.sampled_from([None, OTHER, wanted.id])),
        sums={**staged, OTHER: draw(st.sampled_from([right, draw(notes(right, "etc/gone"))]))},
        odd={wanted.id: frozenset(draw(some([*right, "etc/link", ""])))} if staged else {},
        support=draw(notes(dict(full_.support), "/etc/systemd/system/lgtm-recover.service")),
        links={path: draw(st.sampled_from([targets[path], "elsewhere", ""])) for path in draw(some(targets))},
        artifacts=frozenset(draw(some(full_.artifacts))) | {"old-1.0-abc"},
        users=frozenset(draw(some(full_.users))) | {"lgtm-left-over"},
        volumes={path: draw(volume) for path in draw(some(full_.volumes))},
        secrets={name: draw(states) for name in draw(some(names))},
        processes=process,
        started={s: draw(notes(dict(full_.started.get(s, {})), "etc/more")) for s in draw(some(services))},
        loaded={s: draw(notes(dict(full_.loaded.get(s, {})), "etc/more")) for s in draw(some(services))},
    )


PROPERTY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@PROPERTY
@given(st.data())
def test_carrying_a_plan_out_leaves_nothing_to_do(data: st.DataObject) -> None:
    wanted = data.draw(generations())
    found = data.draw(hosts(wanted))
    after = apply(plan(wanted, found), found)
    assert plan(wanted, after).lines() == []


@PROPERTY
@given(st.data())
def test_any_generation_follows_any_other(data: st.DataObject) -> None:
    first, second = data.draw(generations()), data.draw(generations())
    found = converged(first)
    after = apply(plan(second, found), found)
    assert plan(second, after).empty
    assert after.current == second.id


PARTS = (
    "current", "sums", "support", "links", "artifacts", "users", "volumes", "secrets", "processes", "started", "loaded",
)  # fmt: skip


@PROPERTY
@given(st.data())
def test_a_plan_is_empty_only_when_nothing_differs(data: st.DataObject) -> None:
    wanted = data.draw(generations())
    right, other = converged(wanted), data.draw(hosts(wanted))
    found = replace(right, **{part: getattr(other, part) for part in data.draw(some(PARTS))})
    if plan(wanted, found).empty:
        asked = {part: _asked(part, wanted, found) for part in PARTS}
        assert asked == {part: _asked(part, wanted, right) for part in PARTS}


def _asked(part: str, wanted: Generation, state: HostState) -> Any:
    """The part of a host's state that a generation says something of."""
    value = getattr(state, part)
    if part == "links":
        return {path: target for path, target in value.items() if target}
    if isinstance(value, frozenset):
        return value & getattr(converged(wanted), part)
    if isinstance(value, dict) and part not in ("secrets",):
        empty = {} if part in ("started", "loaded") else None
        return {key: value.get(key, empty) for key in getattr(converged(wanted), part)}
    return value


@PROPERTY
@given(st.data())
def test_services_start_after_those_they_need(data: st.DataObject) -> None:
    wanted = data.draw(generations())
    order = plan(wanted, data.draw(hosts(wanted))).subjects("restart")
    for one in wanted.components:
        for other in one.after:
            if {one.service, other} <= set(order):
                assert order.index(other) < order.index(one.service)


# --- what each difference is called

WANTED = build(full())
HERE = converged(WANTED)
UNIT = "units/lgtm-alpha.service"
ETC = "etc/alpha"


def without(mapping: Any, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}


def test_a_host_that_has_it_all_has_nothing_to_do() -> None:
    todo = plan(WANTED, HERE)
    assert todo.empty and not todo.activates and not todo.stages


def process(state: str = "active", exe: str = "") -> HostState:
    return replace(HERE, processes={"alpha": Process(state, exe or running(WANTED, "alpha").exe)})


def secret(mode: str = "600:root", value: str = "s3cret-of-alpha", fresh: bool = True) -> HostState:
    return replace(HERE, secrets={"alpha/token": SecretState(mode, digest(NONCE, Secret(value)), fresh)})


def files(**odd: Any) -> HostState:
    return replace(HERE, sums={WANTED.id: sums(WANTED) | odd})


ARTIFACT = WANTED.artifacts["alpha"].directory
EXE = running(WANTED, "alpha").exe
LINK = f"{UNITS}/lgtm.target.wants/lgtm-alpha.service"
BOOT = f"{UNITS}/multi-user.target.wants/lgtm.target"

DRIFT: dict[str, tuple[HostState, list[str]]] = {
    "no user": (replace(HERE, users=frozenset()), ["user      lgtm-alpha: create"]),
    "a directory above it that is closed": (
        replace(HERE, closed={"/data": "700", "/opt": "2750"}),
        [
            "directory /data: mode 700 → 701: no service reaches what lies below",
            "directory /opt: mode 2750 → 2751: no service reaches what lies below",
        ],
    ),
    "no volume": (replace(HERE, volumes={}), ["volume    /data/alpha: create"]),
    "a wrong owner": (
        replace(HERE, volumes={"/data/alpha": ("root:root", "750", "directory")}),
        ["volume    /data/alpha: owner root:root → lgtm-alpha:lgtm-alpha"],
    ),
    "a wrong mode": (
        replace(HERE, volumes={"/data/alpha": ("lgtm-alpha:lgtm-alpha", "755", "directory")}),
        ["volume    /data/alpha: mode 755 → 0750"],
    ),
    "a wrong owner below": (
        replace(HERE, wrong={"/data/alpha": Wrong(1, "root:root", "600", "wal/1")}),
        ["volume    /data/alpha: repair wal/1 (root:root, 600)"],
    ),
    "many wrong owners below": (
        replace(HERE, wrong={"/data/alpha": Wrong(12, "root:root", "600", "wal/1")}),
        ["volume    /data/alpha: repair wal/1 (root:root, 600) and 11 more"],
    ),
    "a file for a volume": (
        replace(HERE, volumes={"/data/alpha": ("lgtm-alpha:lgtm-alpha", "750", "regular file")}),
        ["volume    /data/alpha: is a regular file, not a directory"],
    ),
    "a damaged artifact": (
        replace(HERE, artifacts=frozenset()),
        [f"artifact  {ARTIFACT}: install (locked)", "restart   alpha: its artifact was changed by hand"],
    ),
    "no secret": (
        replace(HERE, secrets={}),
        ["secret    alpha/token: create", "restart   alpha: secret token changed"],
    ),
    "another secret": (
        secret(value="old"),
        ["secret    alpha/token: changed", "restart   alpha: secret token changed"],
    ),
    "a secret the process has not read": (secret(fresh=False), ["restart   alpha: secret token changed"]),
    "a readable secret": (secret(mode="644:root"), ["secret    alpha/token: mode 644:root → 600:root"]),
    "a secret of nobody": (
        replace(HERE, secrets={**HERE.secrets, "gone/key": SecretState("600:root", "0", False)}),
        ["secret    gone/key: remove"],
    ),
    "a secret of nobody that another generation may need": (
        replace(HERE, secrets={**HERE.secrets, "gone/key": SecretState("600:root", "0", False)}, named={"gone/key"}),
        [],
    ),
    "a changed support file": (
        replace(HERE, support={**HERE.support, f"{UNITS}/lgtm.target": "0"}),
        [f"support   {UNITS}/lgtm.target: changed"],
    ),
    "no support file": (
        replace(HERE, support=without(HERE.support, f"{UNITS}/lgtm.target")),
        [f"support   {UNITS}/lgtm.target: create"],
    ),
    "a file edited by hand": (files(**{f"{ETC}/none.yml": "0"}), [f"file      {ETC}/none.yml: changed by hand"]),
    "a file removed": (
        replace(HERE, sums={WANTED.id: without(sums(WANTED), "order")}),
        ["file      order: create by hand"],
    ),
    "an extra file": (files(**{f"{ETC}/mine.yml": "0"}), [f"file      {ETC}/mine.yml: remove"]),
    "a planted symlink": (
        replace(HERE, odd={WANTED.id: frozenset({f"{ETC}/link"})}),
        [f"file      {ETC}/link: remove"],
    ),
    "a writable file": (
        replace(HERE, odd={WANTED.id: frozenset({"order"})}),
        ["file      order: owner or mode"],
    ),
    "no generation at all": (
        replace(HERE, current=None),
        [f"switch    nothing → {WANTED.id}"],
    ),
    "no unit link": (replace(HERE, links=without(HERE.links, LINK)), [f"link      {LINK}: create"]),
    "a link elsewhere": (replace(HERE, links={**HERE.links, LINK: "/x"}), [f"link      {LINK}: changed"]),
    "not started at boot": (replace(HERE, links=without(HERE.links, BOOT)), [f"link      {BOOT}: create"]),
    "a service too many": (
        replace(HERE, links={**HERE.links, f"{UNITS}/lgtm-gone.service": "x"}),
        ["stop      lgtm-gone.service: its data stays"],
    ),
    "a service never started": (replace(HERE, processes={}), ["restart   alpha: start"]),
    "a stopped service": (process("inactive"), ["restart   alpha: is inactive"]),
    "a foreign binary": (process(exe="/usr/bin/alpha"), ["restart   alpha: runs /usr/bin/alpha"]),
    "a deleted binary": (process(exe=f"{EXE} (deleted)"), [f"restart   alpha: runs {EXE} (deleted)"]),
    "started from another unit": (
        replace(HERE, started={"alpha": {**HERE.started["alpha"], UNIT: "0"}}),
        [f"restart   alpha: runs from another {UNIT}"],
    ),
    "started by nobody knows what": (
        replace(HERE, started={}),
        [f"restart   alpha: runs from another {ETC}/restart.yml"],
    ),
    "not reloaded": (replace(HERE, loaded={}), [f"reload    alpha: {ETC}/reload.yml changed"]),
}


@pytest.mark.parametrize("drift", DRIFT)
def test_each_drift_has_its_own_line_and_no_other(drift: str) -> None:
    found, lines = DRIFT[drift]
    assert plan(WANTED, found).lines() == lines


@pytest.mark.parametrize("drift", [name for name in DRIFT if name != "a file for a volume"])
def test_each_drift_is_mended_by_its_plan(drift: str) -> None:
    found, _ = DRIFT[drift]
    assert plan(WANTED, apply(plan(WANTED, found), found)).empty


def test_a_bare_host_needs_everything_in_the_order_of_the_steps() -> None:
    kinds = [change.kind for change in plan(WANTED, HostState()).changes]
    order = ["user", "volume", "artifact", "secret", "support", "file", "switch", "link", "restart"]
    assert list(dict.fromkeys(kinds)) == order


def test_a_switch_always_stages_even_where_every_file_was_edited_into_the_wanted_one() -> None:
    found = replace(HERE, current=OTHER, sums={OTHER: sums(WANTED)})
    todo = plan(WANTED, found)
    assert todo.of("file") == () and todo.stages


# --- what a change costs


def with_file(path: str, content: str) -> Generation:
    changed = tuple(replace(one, content=content) if one.path == path else one for one in full().files)
    return build(full(files=changed), component("beta"))


BEFORE = build(full(), component("beta"))


@pytest.mark.parametrize(
    ("after", "restarts", "reloads"),
    [
        (with_file("restart.yml", "new"), ["alpha"], []),
        (with_file("reload.yml", "new"), [], ["alpha"]),
        (with_file("none.yml", "new"), [], []),
        (build(full(unit=Unit(("{artifact}/alpha", "-v"))), component("beta")), ["alpha"], []),
        (build(full(secrets=(SecretFile("token", Secret("new")),)), component("beta")), ["alpha"], []),
    ],
    ids=["a restart file", "a reload file", "a file nobody reads", "the unit", "a secret"],
)
def test_a_change_touches_only_its_own_service_and_no_more_than_it_must(
    after: Generation, restarts: list[str], reloads: list[str]
) -> None:
    todo = plan(after, converged(BEFORE))
    assert todo.subjects("restart") == restarts
    assert todo.subjects("reload") == reloads


def test_a_service_that_restarts_is_not_reloaded_too() -> None:
    todo = plan(WANTED, replace(process("failed"), loaded={}))
    assert todo.subjects("restart") == ["alpha"] and todo.of("reload") == ()


def test_a_rotated_secret_switches_no_generation_and_shows_nothing_of_itself() -> None:
    after = build(full(secrets=(SecretFile("token", Secret("hunter2-new")),)))
    todo = plan(after, HERE)
    assert todo.of("switch", "file") == ()
    for shown in (*todo.lines(), repr(todo), str(todo), repr(todo.generation.files)):
        assert "hunter2-new" not in shown and "s3cret-of-alpha" not in shown


def test_the_window_is_long_enough_for_every_service_that_restarts() -> None:
    wanted = build(component("alpha", ready_timeout=100), component("beta", ready_timeout=30))
    assert plan(wanted, HostState()).activation(600) >= 130
    assert plan(wanted, HostState()).activation(100) == 100
    assert plan(wanted, converged(wanted)).activation(600) == 10


@pytest.mark.parametrize(
    ("parts", "changes"),
    [
        ({}, []),
        ({"processes": {"alpha": Process("activating", "")}}, []),
        ({"volumes": {"/data/alpha": ("root:root", "750", "directory")}}, []),
        ({"artifacts": frozenset({"old-1-0123"})}, []),
        ({"support": {}}, [f"to do as well: support {path}" for path in sorted(SUPPORT)]),
        ({"users": frozenset()}, ["to do as well: user lgtm-alpha"]),
        ({"wrong": {}}, ["no longer to do: volume /data/alpha"]),
        ({"current": "g0"}, ["no longer to do: switch g1 → {id}", "to do as well: switch g0 → {id}"]),
    ],
)
def test_a_plan_that_is_made_anew_says_what_else_is_to_be_done(parts: dict[str, Any], changes: list[str]) -> None:
    """The reasons may be others, and so may what the switch restarts: it finds that out itself."""
    wanted = build(full())
    wrong = {"/data/alpha": Wrong(1, "0:0", "600", "a")}
    found = replace(converged(wanted), current="g1", wrong=wrong, artifacts=frozenset())
    one, anew = plan(wanted, found), plan(wanted, replace(found, **parts))
    assert one.differences(anew) == [change.format(id=wanted.id) for change in changes]


def test_a_restart_that_nobody_planned_is_no_part_of_a_plan_that_restarts_nothing() -> None:
    wanted = build(full())
    found = replace(converged(wanted), users=frozenset())
    ended = replace(found, processes={"alpha": Process("failed", "")})
    assert plan(wanted, found).differences(plan(wanted, ended)) == ["to do as well: restart alpha: is failed"]
    assert plan(wanted, ended).differences(plan(wanted, found)) == []


def test_the_plan_carries_the_fingerprint_it_was_made_from() -> None:
    assert plan(WANTED, replace(HERE, fingerprint="abc")).fingerprint == "abc"


# --- ports


NGINX = 'users:(("nginx",pid=7,fd=5))'


def stopped(*listeners: tuple[str, str], **parts: Any) -> HostState:
    return replace(HERE, processes={}, listeners=listeners, **parts)


@pytest.mark.parametrize("address", ["127.0.0.1:9001", "*:9001", "[::]:9001"])
def test_a_port_that_a_stranger_holds_is_named_with_its_holder(address: str) -> None:
    (sentence,) = foreign_listeners(WANTED, stopped((address, NGINX)))
    assert sentence == ("alpha_http_port = 9001 is taken by nginx (pid 7); end that process or give alpha another port")


@pytest.mark.parametrize(
    "found",
    [
        stopped(("127.0.0.1:90011", NGINX)),
        stopped(("127.0.0.1:9001", NGINX), pids={"alpha": 7}),
        replace(HERE, listeners=(("127.0.0.1:9001", NGINX),)),
    ],
    ids=["another port", "held by our own process", "our service runs and holds it itself"],
)
def test_a_port_that_no_stranger_holds_is_free(found: HostState) -> None:
    assert foreign_listeners(WANTED, found) == []


def test_a_udp_port_is_not_taken_by_a_tcp_listener() -> None:
    wanted = build(component("alpha", ports=(Port("gossip", 9001, "127.0.0.1", "udp"),)))
    assert foreign_listeners(wanted, stopped(("127.0.0.1:9001", NGINX))) == []


def test_what_changes_is_rehearsed_and_nothing_else() -> None:
    old = build(full("alpha"), full("beta"))
    new = build(full("alpha"), full("beta", files=(ConfigFile("x", "y"),)))
    assert plan(old, converged(old)).rehearsed == ()
    assert plan(new, converged(old)).rehearsed == ("beta",)
    assert plan(old, HostState()).rehearsed == ("alpha", "beta")


def test_what_lies_staged_but_is_not_in_force_is_rehearsed_again() -> None:
    old, new = build(full("alpha")), build(full("alpha", files=()))
    refused = converged(old)
    both = {old.id: refused.sums[old.id], new.id: converged(new).sums[new.id]}
    assert plan(new, replace(refused, sums=both)).rehearsed == ("alpha",)


def test_an_artifact_that_is_brought_anew_is_rehearsed() -> None:
    wanted = build(full("alpha"))
    assert plan(wanted, replace(converged(wanted), artifacts=frozenset())).rehearsed == ("alpha",)


def test_a_program_that_no_validator_runs_is_asked_for_its_version() -> None:
    other = Validator(("{artifact}/tool", "check"))
    same = Validator(("{artifact}/alpha", "-verify"))
    version = ("version", ("{artifact}/alpha", "--version"))
    assert component().rehearsals == (version,)
    assert component(validators=(other,)).rehearsals == (version, ("validator", other.command))
    assert component(validators=(same, other)).rehearsals == (("validator", same.command), ("validator", other.command))
