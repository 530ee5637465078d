"""The checks of a host: what is asked, and how the answers are judged."""
