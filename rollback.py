"""Take every host back to the generation it had before: `pyinfra inventories/prod.py rollback.py`.

`--data list=true` shows what there is, `--data to=<id>` names one.
"""

from pyinfra import host

from lgtm.runs.rollback import rollback

rollback(host)
