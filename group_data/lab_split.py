"""The lab's own settings, for its second inventory."""

from group_data.lab import *  # noqa: F403  pyinfra hands on names that come by a star, and no others
