"""Settings of the one VM. docs/configuration.md lists all settings."""

environment = "one"  # its secrets are in .env.one; every sample has this label

ssh_user = "root"  # or a user who may sudo without a password

# Targets outside the stack. The defaults of these two are GatewayZ's addresses; None means not scraped.
prometheus_gatewayz_production_url = None
prometheus_gatewayz_staging_url = None
# prometheus_extra_targets = [{"job": "blog", "targets": ["blog.example.com:443"], "scheme": "https"}]

alertmanager_mail = False  # True needs SMTP_* and ALERT_EMAIL in .env.one
