"""Templates as files: rendered reproducibly, written as a set, compared as a set."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from generator.errors import GeneratorError, StaleTemplatesError
from generator.pipelines import PIPELINES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from troposphere import Template

    from generator.environment import Environment

type Format = Literal["json", "yaml"]


def render(template: Template, template_format: Format = "json") -> str:
    """Return a template as text: keys sorted, a newline at the end, the same bytes on every machine."""
    text = json.dumps(template.to_dict(), indent=1, sort_keys=True)
    if template_format == "yaml":
        # Only here: the import costs as much as building the whole template.
        import cfn_flip  # noqa: PLC0415

        text = cfn_flip.to_yaml(text)
    return text.rstrip("\n") + "\n"


def render_all(environment: Environment, template_format: Format = "json", tags: Sequence[str] = ()) -> dict[str, str]:
    """Return every pipeline's template by file name, such as `market-analytics-dev.json`. Raises TagError."""
    return {
        f"{name}-{environment.name}.{template_format}": render(build(environment, tags), template_format)
        for name, build in PIPELINES.items()
    }


def write_templates(
    environment: Environment, directory: Path, template_format: Format = "json", tags: Sequence[str] = ()
) -> list[Path]:
    """Write every pipeline's template and return the paths.

    Raises:
        GeneratorError: a file cannot be written, or a tag is none.

    """
    return write_files(render_all(environment, template_format, tags), directory)


def write_files(texts: Mapping[str, str], directory: Path) -> list[Path]:
    """Write generated texts by file name, each in one step, and return the paths. Raises GeneratorError."""
    paths = []
    for name, text in texts.items():
        path = directory / name
        try:
            directory.mkdir(parents=True, exist_ok=True)
            _replace(path, text)
        except OSError as error:
            raise GeneratorError(f"cannot write {path}: {error.strerror}") from error
        paths.append(path)
    return paths


def check_templates(
    environment: Environment, directory: Path, template_format: Format = "json", tags: Sequence[str] = ()
) -> None:
    """Compare a directory with what `write_templates` would write, in both directions.

    Raises:
        StaleTemplatesError: a file is missing, differs, or is nobody's; the message names each and the cure.
        GeneratorError: the directory cannot be read.

    """
    words = ["--env", environment.name, "--format", template_format, "--out", str(directory)]
    words += [word for tag in tags for word in ("--tag", tag)]
    command = f"python -m generator {shlex.join(words)}"
    check_files(render_all(environment, template_format, tags), directory, command)


def check_files(wanted: Mapping[str, str], directory: Path, command: str) -> None:
    """Compare a directory with the texts that belong there, in both directions; `command` would mend it.

    Raises:
        StaleTemplatesError: a file is missing, differs, or is nobody's; the message names each and the command.
        GeneratorError: the directory cannot be read.

    """
    problems = []
    try:
        present = {path.name: path for path in directory.iterdir() if not path.name.startswith(".")}
        for name, text in wanted.items():
            if name not in present:
                problems.append(f"{directory / name} is missing")
            elif (found := present[name].read_bytes()) != text.encode():
                line = _first_difference(found.decode(errors="replace"), text)
                problems.append(f"{directory / name} differs from line {line}")
    except OSError as error:
        raise GeneratorError(f"cannot read {error.filename}: {error.strerror}") from error
    orphans = [present[name] for name in sorted(present.keys() - wanted.keys())]
    problems += [f"{path} belongs to no pipeline (delete it)" for path in orphans]
    if problems:
        raise StaleTemplatesError(f"{'; '.join(problems)}; to regenerate: {command}")


def _first_difference(found: str, wanted: str) -> int:
    """Return the number, from 1, of the first line that differs."""
    pairs = itertools.zip_longest(found.splitlines(), wanted.splitlines())
    return next((number for number, (old, new) in enumerate(pairs, start=1) if old != new), 1)


def _replace(path: Path, text: str) -> None:
    """Write a file in one step: a reader sees the old text or the new, whole."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
