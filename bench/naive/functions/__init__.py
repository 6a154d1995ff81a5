"""The functions of the naive design, each complete in its file: the template carries their text."""
