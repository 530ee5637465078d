"""Stand-ins: small programs for real ones that Debian does not have. Each says what it is."""
