"""Where artifacts come from: pins, sources, downloads. Nothing is used without its sha256."""
