"""Carries out the rules of `bench.faults` in the request chain. What goes wrong is decided outside."""
