"""BENCH_HOSTS lab hosts, each with what BENCH_SERVICES names; by way of local ports from BENCH_PORT on, if any."""

import os

_port = int(os.environ.get("BENCH_PORT", "0"))
_hosts = [
    (f"lab{number}", {"private_address": f"198.18.0.{10 + number}"}
     | ({"ssh_hostname": "127.0.0.1", "ssh_port": _port + number, "ssh_strict_host_key_checking": "off"} if _port
        else {"ssh_hostname": f"198.18.0.{10 + number}"}))
    for number in range(1, int(os.environ.get("BENCH_HOSTS", "1")) + 1)
]  # fmt: skip

globals().update(dict.fromkeys(os.environ.get("BENCH_SERVICES", "").split(), _hosts))
