"""What must be the same here and in every worker: equal seeds make equal bytes, and entries are read as meant."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bench
import tickstream

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The packages that decide which bytes a seed makes, and how workers and the bench talk.
_LIBRARIES: Final = ("numpy", "polars", "distributed")
_SOURCES: Final = (".py", ".toml")


@cache
def identity() -> dict[str, str]:
    """Return versions by name: of the bench (its sources' digest too), Python, and the libraries that matter."""
    return {
        "bench": f"{metadata.version('tickstream')} ({_digest_of_sources()})",
        "Python": ".".join(platform.python_version_tuple()[:2]),
        **{name: metadata.version(name) for name in _LIBRARIES},
    }


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """Return what is not the same, such as `numpy 2.5.5 here, 2.4.0 there`."""
    return [
        f"{name} {here.get(name, 'none')} here, {there.get(name, 'none')} there"
        for name in sorted({*here, *there})
        if here.get(name) != there.get(name)
    ]


def _digest_of_sources() -> str:
    """Return 12 hex digits: the version alone says nothing between two releases."""
    digest = hashlib.sha256()
    for package in (bench, tickstream):
        folder = Path(package.__file__ or "").parent
        for path in sorted(one for one in folder.rglob("*") if one.suffix in _SOURCES):
            digest.update(f"{path.relative_to(folder)}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
