"""The lab's settings, for its second inventory."""

from group_data.lab import *  # noqa: F403  pyinfra reads names imported by a star, and no other imports
