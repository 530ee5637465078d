"""The error of the lab."""


class LabError(Exception):
    """One sentence: what is wrong, where, and what to do."""
