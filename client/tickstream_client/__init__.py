"""The `tickstream` command, for those who use the pipeline."""
