"""What several task modules share; no services."""
