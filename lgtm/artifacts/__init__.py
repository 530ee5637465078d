"""Where binaries come from: pins, sources, downloads; nothing without its sha256."""
