"""pyinfra's settings for this repository."""

from pyinfra import config

from lgtm import commandline, shields

config.REQUIRE_PYINFRA_VERSION = "==3.10.0"
commandline.remember()
shields.install()
