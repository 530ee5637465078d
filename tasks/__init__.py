"""One module per service: what it is, never how it gets there."""
