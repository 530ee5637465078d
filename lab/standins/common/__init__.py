"""What the stand-ins have in common: reading configuration, listening, starting and stopping."""
