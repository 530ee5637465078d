"""A browser that walks through a real Grafana and lists what is wrong: `python -m tests.browser --help`."""
