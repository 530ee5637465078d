"""Alertmanager: groups alerts and sends mails about them."""

from __future__ import annotations

from lgtm.task import (
    Answer,
    Artifact,
    Bad,
    Check,
    Component,
    ConfigFile,
    Reload,
    SecretFile,
    Site,
    Unit,
    Validator,
    Volume,
    credential,
    etc,
    read,
    ready,
    render,
)

from ..shared import inforce
from . import mail
from .settings import AlertmanagerSettings

DATA = "/data/alertmanager"
SAMPLES = ("firing", "resolved")  # alerts with which the mail templates are validated


def component(settings: AlertmanagerSettings, site: Site) -> Component:
    if settings.mail:
        mail.require(settings, site)
    return Component(
        service="alertmanager",
        artifact=Artifact("alertmanager", settings.version),
        unit=Unit(_command(settings, site)),
        ready=site.url("alertmanager", "/-/ready"),
        ports=(site.port("alertmanager"),),
        files=_files(settings, site),
        volumes=(Volume(DATA),),
        backup=(f"{DATA}/silences", f"{DATA}/nflog"),
        secrets=_secrets(settings),
        validators=(
            Validator(("{artifact}/amtool", "check-config", "{etc}/alertmanager.yml")),
            *(_rendering(kind, sample) for kind in ("text", "html") for sample in SAMPLES),
        ),
        reload=Reload.named(site.url("alertmanager", "/metrics"), "alertmanager_config_last_reload"),
    )


def _command(settings: AlertmanagerSettings, site: Site) -> tuple[str, ...]:
    # Without the second flag, a path in the URL would move every page below it, the readiness endpoint too.
    external = (f"--web.external-url={settings.external_url}", "--web.route-prefix=/") if settings.external_url else ()
    return (
        "{artifact}/alertmanager",
        f"--config.file={etc('alertmanager', 'alertmanager.yml')}",
        f"--storage.path={DATA}",
        f"--data.retention={settings.retention}",
        f"--web.listen-address={site.target('alertmanager')}",
        *external,
        "--cluster.listen-address=",  # empty: a single Alertmanager needs no cluster
        f"--log.level={settings.log_level}",
    )


def _files(settings: AlertmanagerSettings, site: Site) -> tuple[ConfigFile, ...]:
    main = render(
        __file__, "alertmanager.yml",
        settings=settings,
        sender=mail.sender(settings),
        starttls=mail.starttls(settings.smtp_host),
        password_file=credential("alertmanager", "smtp_password"),
        heartbeat_file=credential("alertmanager", "heartbeat_url"),
    )  # fmt: skip
    links = render(__file__, "templates/site.tmpl", settings=settings, environment=site.environment)
    return (
        ConfigFile("alertmanager.yml", main, "reload"),
        ConfigFile("templates/mail.tmpl", read(__file__, "templates/mail.tmpl"), "reload"),
        ConfigFile("templates/site.tmpl", links, "reload"),
        *(ConfigFile(f"samples/{one}.json", read(__file__, f"samples/{one}.json"), "none") for one in SAMPLES),
    )


def _secrets(settings: AlertmanagerSettings) -> tuple[SecretFile, ...]:
    password = mail.password(settings.smtp_password) if settings.mail and settings.smtp_password else None
    secrets = {"smtp_password": password, "heartbeat_url": settings.heartbeat_url}
    return tuple(SecretFile(name, value) for name, value in secrets.items() if value)


def _rendering(kind: str, sample: str) -> Validator:
    """Render a mail about sample alerts: `amtool check-config` accepts templates that cannot be rendered."""
    return Validator(
        (
            "{artifact}/amtool", "template", "render",
            "--template.glob={etc}/templates/*.tmpl",
            f"--template.type={kind}",
            f'--template.text={{{{ template "mail.subject" . }}}} {{{{ template "mail.{kind}" . }}}}',
            f"--template.data={{etc}}/samples/{sample}.json",
        )
    )  # fmt: skip


def checks(settings: AlertmanagerSettings, site: Site) -> list[Check]:
    every = [
        ready("alertmanager", site.url("alertmanager", "/-/ready"), settings.ready_timeout),
        Check(
            id="alertmanager.status",
            title="Alertmanager has a configuration, and no cluster peers",
            url=site.url("alertmanager", "/api/v2/status"),
            judge=_status,
            remedy="journalctl -u lgtm-alertmanager -n 50",
        ),
    ]
    every.append(
        inforce.check(
            "alertmanager", "Alertmanager", site.url("alertmanager", "/api/v2/status"),
            _files(settings, site)[0].content, lambda answer: str(answer.json()["config"]["original"]),
        )
    )  # fmt: skip
    journal = "journalctl -u lgtm-alertmanager -g Notify shows the reason"
    if settings.mail:
        title = f"The mail server {settings.smtp_host} accepts mail (SMTP)"
        remedy = f'{journal}; "auth" or 535: SMTP_USERNAME or SMTP_PASSWORD is wrong'
        every += [mail.login(settings), mail.deliveries(site, "email", title, remedy)]
    if settings.heartbeat_url:
        remedy = f"{journal}; the service at HEARTBEAT_URL receives no heartbeat"
        every.append(mail.heartbeat_name(settings.heartbeat_url))
        every.append(mail.deliveries(site, "webhook", "The heartbeat is delivered", remedy))
    return every


def _status(answer: Answer) -> str:
    data = answer.json()
    if answer.status != 200 or "receivers:" not in data.get("config", {}).get("original", ""):
        raise Bad(f"HTTP {answer.status}, no configuration: {answer.body[:200]}")
    if data["cluster"]["status"] != "disabled":
        raise Bad(f"clustering is {data['cluster']['status']} instead of disabled")
    return f"version {data['versionInfo']['version']}"


def drills(settings: AlertmanagerSettings, site: Site) -> list[Check]:
    """Disruptive checks: a test mail."""
    return [mail.drill(site)] if settings.mail else []
