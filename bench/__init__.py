"""Deploys the pipeline to LocalStack, pushes ticks through it and verifies every one."""
