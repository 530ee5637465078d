"""Say whether every host is as declared, exit code 2 when one is not: `pyinfra inventories/prod.py drift.py`.

Made for cron; the answer is a metric of node_exporter, too.
"""

from pyinfra import host

from lgtm.runs.drift import drift

drift(host)
