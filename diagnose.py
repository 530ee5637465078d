"""Look for the cause of what people complain of: `pyinfra inventories/prod.py diagnose.py`.

`--data problem=<id>` looks at one problem alone, and shows the journals even when nothing is found.
"""

from pyinfra import host

from lgtm.runs.diagnose import diagnose

diagnose(host)
