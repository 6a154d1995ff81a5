"""A stack's life on any target: generated, linted, deployed, left running, deleted, looked for. No pipeline's data."""
