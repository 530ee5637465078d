"""What holds in every environment. Only what differs from a service's own default stands here."""

_sudo = True
