"""A user's own task: a small YAML file beside the rows. What it may say is in `definition`."""
