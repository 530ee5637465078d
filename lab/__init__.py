"""Throwaway systemd hosts on this machine, and what they talk to: see `python -m lab --help`."""
