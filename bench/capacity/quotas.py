"""AWS's quotas as one dated data file, each with its source and what to do where it is met."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from bench.capacity.dated_files import read_table
from bench.errors import CapacityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

_FILE: Final = "quotas.toml"
_MOST: Final = 10**9


@checked(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Quota:
    """One quota. source: AWS's page; read: where it was seen; remedy: what to do where it is met."""

    service: str
    what: str
    value: Annotated[int, Field(strict=True, gt=0, le=_MOST)]
    source: Annotated[str, Field(pattern="^https://docs.aws.amazon.com/")]
    read: str
    adjustable: Annotated[bool, Field(strict=True)]
    remedy: str


@dataclass(frozen=True, slots=True)
class Quotas:
    """All quotas by name, of one region as of one day."""

    region: str
    as_of: date
    by_name: Mapping[str, Quota]

    def __getitem__(self, name: str) -> int:
        """Return a quota's value. Raises KeyError for one that the table does not have."""
        return self.by_name[name].value

    def with_values(self, settings: Iterable[str]) -> Quotas:
        """Return these quotas with some set by `name=value`. Raises CapacityError, which names the setting."""
        found = dict(self.by_name)
        for setting in settings:
            name, equals, text = setting.partition("=")
            if name not in found:
                raise CapacityError(f"there is no quota {name!r}: there are {', '.join(found)}")
            digits = text.replace(",", "").replace("_", "")
            if not equals or not (digits.isascii() and digits.isdigit()) or not 1 <= int(digits) <= _MOST:
                raise CapacityError(f"--set {setting}: a quota is a whole number from 1 to {_MOST:,}, as {name}=4000")
            found[name] = replace(found[name], value=int(digits))
        return Quotas(self.region, self.as_of, found)


@cache
def quotas() -> Quotas:
    """Return the table that comes with the bench. Raises CapacityError."""
    return quotas_of(resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8"))


def quotas_of(text: str) -> Quotas:
    """Read a table. Raises CapacityError, which names the row and what is wrong with it."""
    (region, as_of), rows = read_table(text, _FILE, _ROWS, ("region", "as_of"))
    return Quotas(str(region), as_of, rows)


_ROWS: Final = TypeAdapter(dict[str, Quota])
