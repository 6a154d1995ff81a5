"""What roles may do against what they do: `python -m bench permissions`."""
