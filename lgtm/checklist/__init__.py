"""What is asked of a host, and how the answers are judged."""
