"""`tickstream browse`: a stack in the browser, read-only, for whoever started it and nobody else."""
