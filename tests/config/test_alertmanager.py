"""Alertmanager's rendered configuration: who gets which alert, and when."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sites import ENV, component, file, make_site, parsed, stage, validate

from lgtm.load.plugins import tasks
from lgtm.model.checks import Answer, Bad
from lgtm.model.component import Component
from lgtm.model.errors import Refusal
from lgtm.model.secrets import Secret

CREDENTIALS = "/run/credentials/lgtm-alertmanager.service"
MAILED = {"critical", "model", "provider", "other"}


@pytest.fixture(scope="module")
def program(artifact: Callable[[str], Path]) -> Path:
    """The folder with the real Alertmanager and amtool."""
    return artifact("alertmanager")


def made(env: dict[str, str | None] | None = None, **data: Any) -> Component:
    """Alertmanager's component; `env` replaces values of the environment file, None leaves one out."""
    secrets = ENV | {key: Secret(value) for key, value in (env or {}).items() if value is not None}
    for key in [key for key, value in (env or {}).items() if value is None]:
        del secrets[key]
    return component(make_site({"one": ("alertmanager",)}, secrets, **data), "alertmanager")


def main(env: dict[str, str | None] | None = None, **data: Any) -> Any:
    return parsed(made(env, **data), "alertmanager.yml")


def receivers(found: Any) -> dict[str, Any]:
    return {one["name"]: one for one in found["receivers"]}


def test_it_does_not_gossip() -> None:
    assert "--cluster.listen-address=" in made().unit.command


def test_a_path_in_the_external_address_does_not_move_the_readiness_endpoint() -> None:
    found = made(alertmanager_external_url="https://mon.example.com/alerts").unit.command
    assert "--web.external-url=https://mon.example.com/alerts" in found
    assert "--web.route-prefix=/" in found
    assert not [word for word in made().unit.command if word.startswith("--web.external")]


def test_a_route_is_a_reload() -> None:
    before, after = (made(alertmanager_group_wait=wait) for wait in ("30s", "1m"))
    assert before.unit == after.unit
    assert [one.on_change for one in set(after.files) - set(before.files)] == ["reload"]


def test_how_long_each_kind_of_alert_waits_is_a_setting() -> None:
    default, *routes = [main()["route"], *main()["route"]["routes"]]
    found = {one["receiver"]: one.get("repeat_interval") for one in [default, *routes]}
    assert found == {"other": "4h", "heartbeat": "5m", "critical": "30m", "model": "2h", "provider": "2h"}
    assert routes[1]["group_wait"] == "10s"
    waits = [f"{name}_repeat_interval" for name in ("critical", "model", "provider", "heartbeat")]
    waits += ["critical_group_wait", "critical_group_interval", "heartbeat_group_interval"]
    waits += ["group_wait", "group_interval", "repeat_interval"]
    changed = {f"alertmanager_{name}": f"{number}s" for number, name in enumerate(waits, 101)}
    text = file(made(**changed), "alertmanager.yml")
    assert [value for value in changed.values() if f'"{value}"' not in text] == []


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "HighAPIErrorRate", "severity": "critical", "component": "api"}, "critical"),
        ({"alertname": "LowModelHealthScore", "severity": "critical", "component": "model"}, "critical"),
        ({"alertname": "ProviderErrorSpike", "severity": "critical", "component": "provider"}, "critical"),
        ({"alertname": "TargetDown", "severity": "critical", "component": "monitoring"}, "critical"),
        ({"alertname": "HighModelInferenceLatency", "severity": "warning", "component": "model"}, "model"),
        ({"alertname": "SlowProviderResponse", "severity": "warning", "component": "provider"}, "provider"),
        ({"alertname": "LowAPIRequestRate", "severity": "warning", "component": "api"}, "other"),
        ({"alertname": "Mine"}, "other"),
        ({"alertname": "Watchdog", "severity": "none", "component": "monitoring"}, "heartbeat"),
        ({"alertname": "Watchdog", "severity": "critical", "component": "model"}, "heartbeat"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_every_alert_is_routed_to_one_receiver(
    program: Path, tmp_path: Path, labels: dict[str, str], receiver: str
) -> None:
    config = stage(made(), tmp_path) / "alertmanager.yml"
    command = [str(program / "amtool"), "config", "routes", "test", f"--config.file={config}"]
    pairs = [f"{name}={value}" for name, value in labels.items()]
    run = subprocess.run([*command, f"--verify.receivers={receiver}", *pairs], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.split() == [receiver]


def test_the_watchdog_reaches_the_heartbeat_and_no_mailbox() -> None:
    found = receivers(main())["heartbeat"]
    assert found.keys() == {"name", "webhook_configs"}
    assert found["webhook_configs"] == [{"url_file": f"{CREDENTIALS}/heartbeat_url", "send_resolved": False}]
    assert receivers(main({"HEARTBEAT_URL": None}))["heartbeat"].keys() == {"name"}


def test_mail_goes_to_the_addresses_of_the_environment_file() -> None:
    found = receivers(main())
    to = {name: found[name]["email_configs"][0]["to"] for name in MAILED}
    assert to.pop("critical") == "oncall@example.com, boss@example.com"
    assert set(to.values()) == {"operator@example.com"}
    assert all(found[name]["email_configs"][0]["send_resolved"] is True for name in MAILED)


def test_critical_mail_goes_to_everybody_unless_others_are_named() -> None:
    found = receivers(main({"ALERT_EMAIL_CRITICAL": None, "ALERT_EMAIL": "a@b.test,c@d.test"}))
    assert {found[name]["email_configs"][0]["to"] for name in MAILED} == {"a@b.test, c@d.test"}


def test_without_mail_nothing_of_it_is_needed_or_delivered() -> None:
    none = dict.fromkeys(("SMTP_HOST", "SMTP_USERNAME", "SMTP_PASSWORD", "SMTP_FROM", "ALERT_EMAIL"))
    for env in ({}, none):
        found = made(env, alertmanager_mail=False)
        text = file(found, "alertmanager.yml")
        assert "email_configs" not in text and "smtp" not in text
        assert [one.name for one in found.secrets] == ["heartbeat_url"]


def test_the_mail_server_is_logged_in_to_with_a_password_from_a_file() -> None:
    assert main()["global"] == {
        "smtp_smarthost": "mail.example.com:587",
        "smtp_from": "alerts@example.com",
        "smtp_auth_username": "robot@example.com",
        "smtp_auth_password_file": f"{CREDENTIALS}/smtp_password",
        "smtp_require_tls": True,
    }


@pytest.mark.parametrize(
    ("host", "tls"),
    [
        ("mail.example.com:587", True),
        ("127.example.com:587", True),
        ("mail.example.com:465", False),  # TLS from the first byte: there is no STARTTLS then
        ("127.0.0.1:25", False),
        ("localhost:25", False),
        ("[::1]:25", False),
        ("[2001:db8::1]:25", True),
    ],
)
def test_starttls_is_insisted_on_but_on_this_very_host(host: str, tls: bool) -> None:
    assert main({"SMTP_HOST": host})["global"]["smtp_require_tls"] is tls


def test_another_password_or_heartbeat_changes_nothing_but_a_secret() -> None:
    before = made()
    for key in ("SMTP_PASSWORD", "HEARTBEAT_URL"):
        after = made({key: "https://rotated.test/"})
        assert (after.files, after.unit) == (before.files, before.unit)
        assert len(set(after.secrets) - set(before.secrets)) == 1


def test_amtool_accepts_it(program: Path, tmp_path: Path) -> None:
    site = {"alertmanager_grafana_url": "https://grafana.example.com/"}
    for number, found in enumerate([made(), made(**site), made({"HEARTBEAT_URL": None}, alertmanager_mail=False)]):
        runs = validate(found, program, stage(found, tmp_path / str(number)))
        assert [run.stderr for run in runs if run.returncode] == []
        assert len(runs) == 5


@pytest.mark.parametrize(("right", "wrong"), [("group_wait", "group_weight"), ("- name: other", "- name: another")])
def test_amtool_refuses_it_broken(program: Path, tmp_path: Path, right: str, wrong: str) -> None:
    found = made()
    etc = stage(found, tmp_path)
    (etc / "alertmanager.yml").write_text(file(found, "alertmanager.yml").replace(right, wrong))
    assert validate(found, program, etc)[0].returncode == 1


@pytest.mark.parametrize(
    ("right", "wrong", "refusals"),
    [
        ('{{ define "mail.subject" -}}', '{{ define "mail.subject" -}}{{ .Labels.env }}', [0, 1, 1, 1, 1]),
        ('{{ define "mail.text" -}}', '{{ define "mail.texts" -}}', [0, 1, 1, 0, 0]),
        ('{{ define "mail.html.alert" }}', '{{ define "mail.html.alert" }}{{ .CommonLabels.env }}', [0, 0, 0, 1, 1]),
        ("{{ .EndsAt.UTC.Format", "{{ .EndsAt.Utc.Format", [0, 1, 1, 1, 1]),
        ("len .Alerts.Firing", "len .Firing", [0, 1, 0, 1, 0]),
        ("{{ toUpper", "{{ toUpperCase", [1, 1, 1, 1, 1]),
    ],
)
def test_a_mail_that_cannot_be_rendered_is_refused(
    program: Path, tmp_path: Path, right: str, wrong: str, refusals: list[int]
) -> None:
    found = made()
    etc, text = stage(found, tmp_path), file(found, "templates/mail.tmpl")
    assert right in text
    (etc / "templates/mail.tmpl").write_text(text.replace(right, wrong))
    # The first is `check-config`: it reads the templates, but says SUCCESS to those that fail when they are used.
    assert [run.returncode for run in validate(found, program, etc)] == refusals


@pytest.mark.parametrize("key", ["SMTP_USERNAME", "SMTP_PASSWORD", "ALERT_EMAIL"])
def test_what_mail_cannot_do_without_is_asked_for_by_name(key: str) -> None:
    with pytest.raises(Refusal, match=rf"^one: alertmanager needs {key}; add {key}=… to \.env\.test [^\n]*$"):
        made({key: None})


def test_everything_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(Refusal) as refused:
        made({"SMTP_USERNAME": None, "SMTP_PASSWORD": None, "SMTP_FROM": None})
    assert [line.split()[3] for line in str(refused.value).splitlines()] == ["SMTP_USERNAME;", "SMTP_PASSWORD;"]


def test_the_sender_is_the_user_unless_another_is_named() -> None:
    assert main({"SMTP_FROM": None})["global"]["smtp_from"] == "robot@example.com"
    with pytest.raises(Refusal, match="one: alertmanager needs SMTP_FROM"):
        made({"SMTP_FROM": None, "SMTP_USERNAME": "apikey"})
    assert main({"SMTP_USERNAME": "apikey"})["global"]["smtp_auth_username"] == "apikey"


def test_gmail_is_the_mail_server_unless_another_is_named() -> None:
    assert main({"SMTP_HOST": None})["global"]["smtp_smarthost"] == "smtp.gmail.com:587"


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("SMTP_HOST", ("mail.example.com", "mail.example.com:0", "mail.example.com:65536", "smtp://m:25", ":25")),
        ("SMTP_USERNAME", ("two words", "a:b", 'a"b', "a\\b")),
        ("SMTP_FROM", ("nobody", "a@b.test, c@d.test", "Me <me@b.test>", "{{ .x }}@b.test", "a@b.test\nBcc: x@y.test")),
        ("ALERT_EMAIL", ("nobody", "a@b.test,", "a@b.test c@d.test", "a@b.test;c@d.test", "a@b.test,{{ . }}@c.test")),
        ("ALERT_EMAIL_CRITICAL", ("@b.test", "a@")),
    ],
)
def test_a_wrong_address_is_refused_under_its_name_in_the_environment_file(key: str, values: tuple[str, ...]) -> None:
    for value in values:
        with pytest.raises(Refusal, match=rf"^one: {key} in \.env\.test = .* must be [^\n]+$") as refused:
            made({key: value})
        assert repr(value) in str(refused.value)


@pytest.mark.parametrize("url", ["heartbeat.test/t0ken", "ftp://heartbeat.test/t0ken", "https://a b/t0ken"])
def test_a_wrong_heartbeat_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(Refusal, match=r"HEARTBEAT_URL in \.env\.test = .* must be an address that starts") as refused:
        made({"HEARTBEAT_URL": url})
    assert "t0ken" not in str(refused.value)


@pytest.mark.parametrize("setting", ["alertmanager_external_url", "alertmanager_grafana_url"])
@pytest.mark.parametrize("url", ["grafana.test", 'https://g.test/"><script>', "https://g.test/{{ . }}"])
def test_an_address_that_mails_link_to_is_one(setting: str, url: str) -> None:
    with pytest.raises(Refusal, match=f"one: {setting} = .* must be an address"):
        made(**{setting: url})


@pytest.mark.parametrize(
    ("shown", "meant"),
    [
        ("abcd efgh ijkl mnop", "abcdefghijklmnop"),
        ("abcd\u00a0efgh\u00a0ijkl\u00a0mnop", "abcdefghijklmnop"),  # as a browser copies it
        ("abcdefghijklmnop", "abcdefghijklmnop"),
        ("correct horse battery staple", "correct horse battery staple"),
        ("ab12 efgh ijkl mnop", "ab12 efgh ijkl mnop"),
        ("abcd efgh ijkl mnop qrst", "abcd efgh ijkl mnop qrst"),
    ],
)
def test_an_app_password_loses_the_spaces_it_is_shown_with_and_no_other_does(shown: str, meant: str) -> None:
    [found] = [one for one in made({"SMTP_PASSWORD": shown}).secrets if one.name == "smtp_password"]
    assert found.value.reveal() == meant


def test_a_status_without_configuration_or_with_a_cluster_is_bad() -> None:
    site = make_site()
    judge = tasks()["alertmanager"].checks(site.here.services["alertmanager"], site)[1].judge
    good = {
        "config": {"original": "receivers:\n- name: default\n"},
        "cluster": {"status": "disabled"},
        "versionInfo": {"version": "0.34.1"},
    }
    assert judge(Answer(200, json.dumps(good))) == "version 0.34.1"
    for wrong in ({"config": {"original": ""}}, {"cluster": {"status": "ready"}}):
        with pytest.raises(Bad):
            judge(Answer(200, json.dumps(good | wrong)))
