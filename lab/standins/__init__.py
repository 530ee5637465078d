"""Stand-ins: small programs that do the job of a real one that no archive offers, and say what they are."""
