"""Values: declarations, the state of a host, the plan, checks. Pure: no I/O, no pyinfra."""
