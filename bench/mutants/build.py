"""Builds a mutant: a copy of the functions' source, edited, and the bundles of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.mutants.vendor import FEED, write_feeds
from bench.stack import deployment
from generator.bundles import build_bundles

if TYPE_CHECKING:
    from bench.mutants.mutant import Mutant

FUNCTIONS: Final = Path(__file__).resolve().parents[2] / "functions"


def build_mutant(mutant: Mutant, environment: str, folder: Path, feed: dict[str, Any] = FEED) -> deployment.Build:
    """Build a mutant's stack below a folder; installed dependencies come from the cache that every build shares.

    feed: the vendor's, which the functions get beside the built-in ones.

    Raises MutantStaleError or GeneratorError.
    """
    sources = folder / "functions"
    shutil.copytree(FUNCTIONS, sources, ignore=shutil.ignore_patterns("__pycache__"))
    for file, text in mutant.mutated(source_text).items():
        (sources / file).write_text(text, encoding="utf-8")
    architecture = deployment.host_architecture()
    bundles = build_bundles(
        deployment.PIPELINE,
        architecture,
        folder / "bundles",
        sources=sources,
        feeds=write_feeds(folder / "feeds", feed),
    )
    return deployment.Build(deployment.PIPELINE, deployment.generate(environment), bundles, architecture)


def source_text(file: str) -> str:
    """Return the text of a file below `functions/`, as it is in the checkout."""
    return (FUNCTIONS / file).read_text(encoding="utf-8")
