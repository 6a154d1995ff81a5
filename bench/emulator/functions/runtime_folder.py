"""The folder of packages that AWS's Python runtime brings, as links into the installed ones.

A function's process sees its bundle and this folder, never the bench's own site-packages: a dependency that is
missing in a bundle fails here as it would on AWS.
"""

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html: the SDK and the runtime interface client.
_ROOTS = ("boto3", "awslambdaric")


def build_runtime_folder(folder: Path) -> Path:
    """Link the packages of AWS's Python runtime into ``folder`` (created) and return it.

    Raises ``PackageNotFoundError`` where one of them is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in _closure(_ROOTS).values():
        for top_level in sorted(_top_level_names(package)):
            link = folder / top_level
            if not link.is_symlink():
                link.symlink_to(Path(str(package.locate_file(top_level))).resolve())
    return folder


def _closure(roots: tuple[str, ...]) -> dict[str, Distribution]:
    """Return the distributions that ``roots`` need, without extras, by name."""
    found: dict[str, Distribution] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = distribution(name)
        for line in found[name].requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def _top_level_names(package: Distribution) -> set[str]:
    if package.files is None:
        raise PackageNotFoundError(f"{package.name} is installed without a list of its files")
    names = {file.parts[0] for file in package.files}
    return {name for name in names if name not in ("..", "__pycache__") and not name.endswith(".dist-info")}
