"""What the lab says when it cannot go on."""


class LabError(Exception):
    """One sentence for a person: what is wrong, where, and what to do about it."""
