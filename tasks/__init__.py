"""One module or package per service. It declares what the service is, and never touches a host."""
