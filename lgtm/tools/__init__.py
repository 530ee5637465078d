"""Commands for the controller: `python -m lgtm.tools.<name>`."""
