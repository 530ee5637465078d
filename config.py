"""pyinfra's settings for this repository."""

from pyinfra import config

from lgtm import shields
from lgtm.load import commandline

config.REQUIRE_PYINFRA_VERSION = "==3.10.0"
commandline.remember()
shields.install()
