"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# No test depends on how fast the machine is: speed is for the benchmarks.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
