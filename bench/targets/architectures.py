"""The processors for which functions are built."""

from __future__ import annotations

import platform

from bench.errors import DeploymentError

_LAMBDA_NAMES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def lambda_architecture(machine: str) -> str | None:
    """Lambda's name of a machine's processors, as `uname -m` or Docker call them; None for others than it has."""
    return _LAMBDA_NAMES.get(machine.lower())


def host_architecture() -> str:
    """Lambda's name of this machine's processors. Raises DeploymentError for others than Lambda has."""
    found = lambda_architecture(platform.machine())
    if found is None:
        raise DeploymentError(f"functions run on x86_64 or arm64, this machine is {platform.machine()}")
    return found
