"""The price table: list prices of one region, each with its source, as one dated data file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from bench.errors import PriceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

_FILE: Final = "prices.toml"


@checked(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Price:
    """One thing that is billed. dollars: for `per` of its unit. source: AWS's page; read: where it was last seen."""

    service: str
    unit: str
    dollars: Annotated[Decimal, Field(strict=True, gt=0)]
    per: Annotated[int, Field(strict=True, gt=0)]
    source: Annotated[str, Field(pattern="^https://aws.amazon.com/")]
    read: str = ""

    def of(self, quantity: Decimal) -> Decimal:
        """Dollars for so many units."""
        return self.dollars * quantity / self.per


@dataclass(frozen=True, slots=True)
class Prices:
    """All prices by key, of one region as of one day."""

    region: str
    as_of: date
    by_key: Mapping[str, Price]

    def of(self, key: str) -> Price:
        """Return a price. Raises KeyError for what the table does not have."""
        return self.by_key[key]

    @property
    def said(self) -> str:
        """Which prices these are."""
        return f"list prices of {self.region} as of {self.as_of}, without free tiers"


@cache
def prices() -> Prices:
    """Return the table that comes with the bench. Raises PriceError."""
    return prices_of(resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8"))


def prices_of(text: str) -> Prices:
    """Read a table. Raises PriceError, which names the row and what is wrong with it."""
    try:
        # Never a float: 0.1 + 0.2 of dollars.
        fields: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
        region, as_of = str(fields.pop("region")), fields.pop("as_of")
        return Prices(region, as_of, _ROWS.validate_python(fields))
    except tomllib.TOMLDecodeError as error:
        raise PriceError(f"{_FILE} is no TOML: {error}") from error
    except KeyError as error:
        raise PriceError(f"{_FILE} has no {error.args[0]}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise PriceError(f"{_FILE}, {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


_ROWS: Final = TypeAdapter(dict[str, Price])
