"""What each run does for a host, a module each: `pyinfra inventories/prod.py deploy.py` calls `deploy.deploy`."""
