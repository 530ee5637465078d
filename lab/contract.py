"""What the lab's services and their clients share: ports, and the names in `.env.lab`."""

BACKEND_PORTS = {"production": 8000, "staging": 8001}
REDIS_PORT = 6379
SMTP_PORT = 2525

STAGING_TOKEN = "STAGING_BEARER_TOKEN"
REDIS_PASSWORD = "REDIS_PASSWORD"
SMTP_USERNAME = "SMTP_USERNAME"
SMTP_PASSWORD = "SMTP_PASSWORD"
GRAFANA_PASSWORD = "GRAFANA_ADMIN_PASSWORD"
SECRETS = (STAGING_TOKEN, REDIS_PASSWORD, SMTP_USERNAME, SMTP_PASSWORD, GRAFANA_PASSWORD)
MAIL = {  # who mails whom in the lab; the address is the one in `group_data/lab.py`
    "SMTP_HOST": f"198.18.0.1:{SMTP_PORT}",
    "SMTP_FROM": "alertmanager@mail.lab",
    "ALERT_EMAIL": "operator@mail.lab",
    "ALERT_EMAIL_CRITICAL": "oncall@mail.lab",
}
