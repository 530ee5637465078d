"""Ask every check of every host: `pyinfra inventories/prod.py verify.py`.

It changes nothing but its own verdict, kept on each host. `--data html=PATH` and `--data json=PATH` leave a report,
`--data mail=true` sends a test alert.
"""

from pyinfra import host

from lgtm.runs.verify import verify

verify(host)
