"""Settings for all environments: only those that differ from the defaults in docs/configuration.md."""

_sudo = True
