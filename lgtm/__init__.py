"""pyinfra-lgtm: turns bare VMs into a monitoring stack, proves that it works, and can take it back."""
