"""The configuration in force: compared with the deployed one, whatever notation a service shows it in."""

from __future__ import annotations

import pytest
import yaml
from sites import component, file, make_site

from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad, judge
from tasks.shared.inforce import difference

WANTED = yaml.safe_load("""
limits: {retention: 720h, rate: 4, "off": false, text: one}
server: {size: 16MiB, none: null}
jobs: [{name: a, every: 15s}, {name: b, every: 1m}]
""")
SHOWN = yaml.safe_load("""
limits: {retention: 30d, rate: 4.0, text: one, other: 7}
server: {size: 16777216}
jobs: [{name: a, every: 15s, timeout: 10s}, {name: b, every: 1m0s}]
more: {}
""")


def test_what_a_service_shows_beside_and_how_it_writes_it_makes_no_difference() -> None:
    assert difference(WANTED, SHOWN) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"limits": {**SHOWN["limits"], "retention": "29d"}}, "limits.retention: '29d' is in force, not '720h'"),
        ({"limits": {**SHOWN["limits"], "rate": 5}}, "limits.rate: 5 is in force, not 4"),
        ({"limits": {**SHOWN["limits"], "off": True}}, "limits.off: True is in force, not False"),
        ({"limits": {**SHOWN["limits"], "text": "two"}}, "limits.text: 'two' is in force, not 'one'"),
        ({"limits": None}, "limits: None is in force, not {"),
        ({"server": "none"}, "server: 'none' is in force, not {'size': '16MiB', 'none': None}"),
        ({"jobs": SHOWN["jobs"][:1]}, "jobs: 1 entries are in force, not 2"),
        ({"jobs": SHOWN["jobs"][::-1]}, "jobs[0].name: 'b' is in force, not 'a'"),
    ],
)
def test_another_value_is_named_with_its_place(change: dict[str, object], said: str) -> None:
    assert difference(WANTED, SHOWN | change).startswith(said)


FILES = {"loki": "loki.yml", "mimir": "mimir.yml", "tempo": "tempo.yml"}


@pytest.mark.parametrize("service", FILES)
def test_a_service_that_shows_what_was_rendered_is_well_and_no_other(service: str) -> None:
    site = make_site()
    [check] = [
        one for one in tasks()[service].checks(site.here.services[service], site) if one.id == f"{service}.config"
    ]
    rendered = file(component(site, service), FILES[service])
    assert judge("one", service, check, Answer(200, rendered)).ok
    for answer in (Answer(200, "a: ["), Answer(200, "[]"), Answer(200, rendered.replace("127.0.0.1", "192.0.2.1"))):
        assert not judge("one", service, check, answer).ok
    with pytest.raises(Bad, match="refused"):
        check.judge(Answer(0, "refused"))
