"""Certificates: which are probed, how, and how an answer is judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sites import ENV, component, file, make_site, parsed, stage, validate

from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad
from lgtm.model.secrets import Secret
from lgtm.model.site import Site
from tasks.prometheus.scraping import Endpoint

EXPIRY = "probe_ssl_last_chain_expiry_timestamp_seconds"


def probes(site: Site) -> dict[str, tuple[str, str | None]]:
    """`host:port` → (module, env) of every certificate that Prometheus has looked at."""
    found = parsed(component(site, "prometheus"), "prometheus.yml")["scrape_configs"]
    asked = [one["labels"] for job in found if job["job_name"] == "certificates" for one in job["static_configs"]]
    return {one["__param_target"]: (one["__param_module"], one.get("env")) for one in asked}


def test_they_are_those_of_every_https_target_and_of_the_mail_server() -> None:
    blog: dict[str, Any] = {"job": "blog", "targets": ["blog.example.com:8443"], "scheme": "https"}
    assert probes(make_site(prometheus_extra_targets=[blog])) == {
        "api.gatewayz.ai:443": ("tls", "production"),
        "gatewayz-staging.up.railway.app:443": ("tls", "staging"),
        "blog.example.com:8443": ("tls", None),
        "mail.example.com:587": ("smtp_starttls", None),
    }


def test_a_mail_server_that_speaks_tls_at_once_is_asked_so() -> None:
    site = make_site(secrets=ENV | {"SMTP_HOST": Secret("mail.example.com:465")})
    assert probes(site)["mail.example.com:465"] == ("tls", None)


def test_where_there_is_none_or_nobody_to_look_there_is_no_job() -> None:
    plain = {"prometheus_gatewayz_production_url": None, "prometheus_gatewayz_staging_url": None}
    assert probes(make_site(alertmanager_mail=False, **plain)) == {}
    assert probes(make_site({"one": ("prometheus", "alertmanager")})) == {}


def test_blackbox_exporter_accepts_its_configuration(artifact: Callable[[str], Path], tmp_path: Path) -> None:
    found = component(make_site(), "blackbox_exporter")
    [run] = validate(found, artifact("blackbox_exporter"), stage(found, tmp_path))
    assert run.returncode == 0, run.stderr


def test_blackbox_exporter_refuses_it_broken(artifact: Callable[[str], Path], tmp_path: Path) -> None:
    found = component(make_site(), "blackbox_exporter")
    etc = stage(found, tmp_path)
    (etc / "blackbox.yml").write_text(file(found, "blackbox.yml").replace("prober:", "probe:"))
    assert validate(found, artifact("blackbox_exporter"), etc)[0].returncode == 1


def test_a_certificate_is_well_while_its_probe_succeeds_and_the_failure_is_told() -> None:
    site = make_site()
    checks = tasks()["blackbox_exporter"].checks(site.here.services["blackbox_exporter"], site)
    [check] = [one for one in checks if one.id == "blackbox_exporter.mail.example.com:587"]
    assert "module=smtp_starttls&target=mail.example.com%3A587" in check.url
    good = f"{EXPIRY} {time.time() + 10.5 * 86400}\nprobe_success 1\n"
    assert check.judge(Answer(200, good)) == "valid for another 10 days"
    for bad, said in (("probe_success 0", "the probe fails"), ("Unknown module", "HTTP 200: Unknown module")):
        with pytest.raises(Bad, match=said):
            check.judge(Answer(200, bad))


def test_what_is_probed_goes_to_the_exporter_as_parameters_of_its_url() -> None:
    endpoint = Endpoint("192.0.2.1:9115", {"instance": "mail:465"}, {"module": "tls", "target": "mail:465"})
    assert endpoint.target_labels == {"instance": "mail:465", "__param_module": "tls", "__param_target": "mail:465"}
