"""How a run is shown: on the terminal, as JSON, as a page, and as an exit code."""
