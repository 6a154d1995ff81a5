"""One test for each F row of the requirements, against the committed template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.templates import file_processing_checks as checks

if TYPE_CHECKING:
    from tests.templates.reading import Template


def test_f01_bucket(files: Template) -> None:
    """The bucket is encrypted, versioned, private, TLS only, and its objects move to Glacier and stay."""
    checks.f01_bucket(files)


def test_f02_table(files: Template) -> None:
    """The table has the right key, on-demand billing, recovery, expiry and encryption."""
    checks.f02_table(files)


def test_f03_chain(files: Template) -> None:
    """Objects invoke the validator, which feeds the processor, which feeds the aggregator; 512 MB each."""
    checks.f03_chain(files)


def test_f04_queues(files: Template) -> None:
    """Queues keep files in order, drop repeated texts, and give up after three receives, each to its own queue."""
    checks.f04_queues(files)


def test_f05_status(files: Template) -> None:
    """Signed calls reach the status with an id of any number of slashes, and without one."""
    checks.f05_status(files)


def test_f06_throttling(files: Template) -> None:
    """The stage admits 1,000 requests a second and 2,000 at once."""
    checks.f06_throttling(files)


def test_f07_dead_letters(files: Template) -> None:
    """Every stage's dead letters are recorded and then parked."""
    checks.f07_dead_letters(files)


def test_f08_stack(files: Template) -> None:
    """Rights, logs, tags, names, deletion and cost are as in market analytics."""
    checks.f08_stack(files)


def test_f09_outputs(files: Template) -> None:
    """The outputs have the keys that scripts read."""
    checks.f09_outputs(files)


def test_f10_no_surroundings(files: Template) -> None:
    """No CI run is in the template, so that it is the same in all of them."""
    checks.f10_no_surroundings(files)


def test_f12_fate(files: Template) -> None:
    """What became of files may be asked for, and refused ones are counted and call."""
    checks.f12_fate(files)


def test_f11_work(files: Template) -> None:
    """The stages may read files, and know how large one may be."""
    checks.f11_work(files)
