"""Figures that the model is fed with, as one dated data file: each says what measured it, or whose page says it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass as checked

from bench.capacity.dated_files import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

_FILE: Final = "figures.toml"


@checked(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Figure:
    """One figure. measured: by which command, and how it follows; page: who says it, where nobody here can measure."""

    value: Annotated[float, Field(gt=0)]
    unit: str
    measured: str = ""
    page: str = ""

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if bool(self.measured) == bool(self.page):
            raise ValueError("a figure was measured, or stands on a page: one of the two")
        return self

    @property
    def source(self) -> str:
        """Where it comes from."""
        return self.measured or self.page


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures by name, as of one day."""

    as_of: date
    by_name: Mapping[str, Figure]

    def __getitem__(self, name: str) -> float:
        """Return a figure's value. Raises KeyError for one that the table does not have."""
        return self.by_name[name].value


@cache
def figures() -> Figures:
    """Return the table that comes with the bench. Raises CapacityError."""
    return figures_of(resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8"))


def figures_of(text: str) -> Figures:
    """Read a table. Raises CapacityError, which names the row and what is wrong with it."""
    (as_of,), rows = read_table(text, _FILE, _ROWS, ("as_of",))
    return Figures(as_of, rows)


_ROWS: Final = TypeAdapter(dict[str, Figure])
