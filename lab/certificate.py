"""The certificate of the lab's services. The hosts trust it, so that clients can require TLS."""

from dataclasses import dataclass
from pathlib import Path

from .network import Network
from .shell import run

NAME = "mail.lab"


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its key, in one folder."""

    folder: Path
    network: Network

    @property
    def public(self) -> Path:
        return self.folder / f"{self.network.gateway}.crt"

    @property
    def key(self) -> Path:
        return self.folder / f"{self.network.gateway}.key"


def ensure(certificate: Certificate) -> None:
    """Create the certificate for the bridge's address if it is missing."""
    certificate.folder.mkdir(exist_ok=True)
    if certificate.public.exists():
        return
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "3650")
    names = f"subjectAltName=IP:{certificate.network.gateway},DNS:{NAME}"
    unfinished = certificate.public.with_suffix(".unfinished")
    run(
        *("openssl", "req", *kind, "-subj", f"/CN={NAME}", "-addext", names),
        *("-keyout", certificate.key, "-out", unfinished),
    )
    unfinished.rename(certificate.public)
