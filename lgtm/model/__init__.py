"""Values, pure: what is declared, what a host has, what differs, what is asked. No I/O, no pyinfra."""
