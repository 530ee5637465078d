"""From people's files to the model: inventory, group data, task modules, templates, the command line."""
