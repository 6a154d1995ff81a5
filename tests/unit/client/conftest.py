"""What these tests share: they also run beside the wheel alone, on other Pythons (tox.ini)."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
