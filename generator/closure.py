"""Whether a folder of installed distributions holds what was asked for, and all that this needs in turn."""

from __future__ import annotations

import csv
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from importlib.metadata import Distribution

    from packaging.utils import NormalizedName

type _Installed = Mapping[NormalizedName, Distribution]


def missing_from(
    tree: Path, requirements: Sequence[str], pins: Sequence[str], *, python_version: str, machine: str
) -> list[str]:
    """Return what the tree lacks of the requirements and their closure, sorted; empty where it is whole.

    Args:
        tree: the folder that was installed into.
        requirements: what was asked for, as pip is asked.
        pins: `name==version`, of more than the tree holds.
        python_version: of Lambda's Python, such as `3.13`.
        machine: of Lambda's processor, such as `aarch64`.

    Raises:
        packaging.requirements.InvalidRequirement: a pin, or what a distribution needs, is no requirement.

    """
    installed = {canonicalize_name(one.name): one for one in distributions(path=[str(tree)])}
    pinned = {canonicalize_name(one.name): one for one in map(Requirement, pins)}
    where = _lambda_markers(python_version, machine)
    missing: set[str] = set()
    seen: set[str] = set()
    waiting = [Requirement(one) for one in requirements]
    while waiting:
        needed = waiting.pop()
        if str(needed) in seen:
            continue
        seen.add(str(needed))
        name = canonicalize_name(needed.name)
        found = installed.get(name)
        if found is None:
            missing.add(str(needed))
            continue
        wanted = [needed, *([pinned[name]] if name in pinned else [])]
        missing |= {str(one) for one in wanted if not one.specifier.contains(found.version, prereleases=True)}
        missing |= set(_missing_files(found))
        waiting += _needs(found, needed.extras, where)
    return sorted(missing)


def _needs(found: Distribution, extras: set[str], where: Mapping[str, str]) -> Iterator[Requirement]:
    """Yield what a distribution needs in Lambda, with the extras that it is asked for with."""
    for requirement in map(Requirement, found.requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**where, "extra": extra}) for extra in ("", *extras)):
            yield Requirement(f"{requirement.name}{_extras(requirement)}{requirement.specifier}")


def _extras(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _missing_files(found: Distribution) -> Iterator[str]:
    """Yield one of the files that a distribution says it has and has not, if any.

    From its record as it stands: `Distribution.files` leaves out what is not there.
    """
    record = found.read_text("RECORD")
    if record is None:
        yield f"the list of files of {found.name}"
        return
    for name, *_ in csv.reader(record.splitlines()):
        # Scripts lie beside the tree that is meant, and no function runs one.
        if ".." not in name.split("/") and not Path(str(found.locate_file(name))).is_file():
            yield f"{name} of {found.name}"
            return


def _lambda_markers(python_version: str, machine: str) -> dict[str, str]:
    """Return what a requirement's marker is told of Lambda's Python; pip itself asks the Python that it runs in."""
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_version": python_version,
        "sys_platform": "linux",
    }
