"""Parts that several task modules share. No services."""
