"""What of a folder of installed distributions belongs to what was asked for, and whether it is whole."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from importlib.metadata import Distribution

    from packaging.utils import NormalizedName

type _Installed = Mapping[NormalizedName, Distribution]


@dataclass(frozen=True, slots=True)
class Closure:
    """Requirements, and all that these need in turn, in a folder that may hold more.

    Attributes:
        missing: what the folder lacks of them, sorted; empty where it is whole.
        foreign: the files that only other distributions say are theirs, as `package/module.py`.

    """

    missing: tuple[str, ...]
    foreign: frozenset[str]


def closure_of(
    tree: Path, requirements: Sequence[str], pins: Sequence[str], *, python_version: str, machine: str
) -> Closure:
    """Look for requirements and their closure in a tree.

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
    reached: set[NormalizedName] = set()
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
        reached.add(name)
        wanted = [needed, *([pinned[name]] if name in pinned else [])]
        missing |= {str(one) for one in wanted if not one.specifier.contains(found.version, prereleases=True)}
        missing |= set(_missing_files(found))
        waiting += _needs(found, needed.extras, where)
    own = _files(found for name, found in installed.items() if name in reached)
    foreign = _files(found for name, found in installed.items() if name not in reached) - own
    return Closure(tuple(sorted(missing)), frozenset(foreign))


def _needs(found: Distribution, extras: set[str], where: Mapping[str, str]) -> Iterator[Requirement]:
    """Yield what a distribution needs in Lambda, with the extras that it is asked for with."""
    for requirement in map(Requirement, found.requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**where, "extra": extra}) for extra in ("", *extras)):
            yield Requirement(f"{requirement.name}{_extras(requirement)}{requirement.specifier}")


def _extras(requirement: Requirement) -> str:
    return f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""


def _missing_files(found: Distribution) -> Iterator[str]:
    """Yield one of the files that a distribution says it has and has not, if any."""
    recorded = _recorded(found)
    if recorded is None:
        yield f"the list of files of {found.name}"
        return
    for name in recorded:
        if not Path(str(found.locate_file(name))).is_file():
            yield f"{name} of {found.name}"
            return


def _files(of: Iterable[Distribution]) -> set[str]:
    return {name for found in of for name in _recorded(found) or ()}


def _recorded(found: Distribution) -> list[str] | None:
    """Return the names of a distribution's files below the tree, None where it does not say.

    From its record as it stands: `Distribution.files` leaves out what is not there. Scripts lie beside the tree that is
    meant, and no function runs one.
    """
    record = found.read_text("RECORD")
    if record is None:
        return None
    return [name for name, *_ in csv.reader(record.splitlines()) if ".." not in name.split("/")]


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
