"""What the one VM is about. Everything that can be set stands in docs/configuration.md."""

environment = "one"  # names .env.one, and the label on every sample

ssh_user = "root"  # or somebody who may sudo without a password

# What is watched beside the stack itself. GatewayZ's own addresses are the defaults of these two; None = not scraped.
prometheus_gatewayz_production_url = None
prometheus_gatewayz_staging_url = None
# prometheus_extra_targets = [{"job": "blog", "targets": ["blog.example.com:443"], "scheme": "https"}]

alertmanager_mail = False  # True wants SMTP_* and ALERT_EMAIL in .env.one
