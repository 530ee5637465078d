"""A real Grafana, if one is given: how it reads our files, and the database of an earlier release."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dashboards import UIDS
from sites import ENV, make_site
from test_grafana_wiring import Installation, free_ports

from lgtm.model.secrets import Secret

PASSWORD = "first-password"
FORMER = "logs"  # the uid that the dashboard lgtm-logs had


@dataclass
class Real(Installation):
    """The real Grafana with the files of a deploy."""

    patience: float = 120  # seconds until it is ready, its database made

    def get(self, path: str, body: Any = None) -> Any:
        url = self.site.url("grafana", path)
        request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
        login = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        request.headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)

    def dashboards(self, wanted: set[str]) -> set[str]:
        """The uids of the folder's dashboards; waits a while for those that are wanted, and no others."""
        end = time.monotonic() + 60
        while True:
            found = {one["uid"] for one in self.get("/api/search?type=dash-db&folderUIDs=pyinfra-lgtm")}
            if found == wanted or time.monotonic() > end:
                return found
            time.sleep(1)


@pytest.fixture
def real(tmp_path: Path) -> Real:
    """The real Grafana, deployed but not started; skips where nobody has given one."""
    given = Path(os.environ.get("LGTM_BINARIES", "/nonexistent")) / "grafana"
    if not (given / "bin" / "grafana").exists():
        pytest.skip("no real Grafana: set LGTM_BINARIES to a folder with its release in the folder `grafana`")
    said = subprocess.run([given / "bin" / "grafana", "--version"], capture_output=True, text=True, check=True).stdout
    ports = dict(zip(("grafana", "prometheus", "loki", "tempo"), free_ports(4), strict=True))
    site = make_site(
        {"one": tuple(ports)},
        ENV | {"GRAFANA_ADMIN_PASSWORD": Secret(PASSWORD)},
        grafana_version=said.split()[2],
        **{f"{service}_http_port": port for service, port in ports.items()},
    )
    (tmp_path / "artifact").symlink_to(given)
    (tmp_path / "data").mkdir()
    found = Real(tmp_path, site)
    found.deploy(PASSWORD)
    return found


def as_before(real: Real) -> None:
    """What an earlier release deployed: a provider of another name, and a dashboard under a uid that is anybody's."""
    provider = real.folder / "etc" / "provisioning" / "dashboards" / "dashboards.yml"
    provider.write_text(provider.read_text().replace('"name": "lgtm"', '"name": "pyinfra-lgtm"'))
    for path in sorted((real.folder / "etc" / "dashboards").iterdir()):
        if path.stem == f"lgtm-{FORMER}":
            path.with_name(f"{FORMER}.json").write_text(json.dumps(json.loads(path.read_text()) | {"uid": FORMER}))
        path.unlink()
    home = real.folder / "etc" / "grafana.ini"
    home.write_text(home.read_text().replace("lgtm-gatewayz-overview.json", f"{FORMER}.json"))


def test_dashboards_under_former_uids_are_gone_after_an_upgrade_and_those_of_people_stay(real: Real) -> None:
    as_before(real)
    with real.started():
        assert real.dashboards({FORMER}) == {FORMER}
        mine = {"uid": "mine", "title": "Mine", "panels": [], "schemaVersion": 39}
        real.get("/api/dashboards/db", {"dashboard": mine, "folderUid": "pyinfra-lgtm"})
    (real.folder / "etc" / "dashboards" / f"{FORMER}.json").unlink()
    real.deploy(PASSWORD)
    with real.started():
        assert real.dashboards({*UIDS, "mine"}) == {*UIDS, "mine"}
        for name in ("database", "anonymous", "login", "datasources", "dashboards"):
            result = real.ask(f"grafana.{name}")
            assert result.ok, result.found
