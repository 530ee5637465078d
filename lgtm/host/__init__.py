"""What happens on a host: one remote command each, and the pyinfra operations made of them."""
