"""Dated data files of the model: TOML of rows, each checked."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bench.errors import CapacityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import TypeAdapter


def read_table[Row](
    text: str, file: str, rows: TypeAdapter[dict[str, Row]], about: Sequence[str]
) -> tuple[list[Any], dict[str, Row]]:
    """Return what a table says about itself, and its rows by name.

    file: what it is called. about: the names that are no rows, such as its date.
    Raises CapacityError, which names the row and what is wrong with it.
    """
    try:
        fields: dict[str, Any] = tomllib.loads(text)
        said = [fields.pop(name) for name in about]
        return said, rows.validate_python(fields)
    except tomllib.TOMLDecodeError as error:
        raise CapacityError(f"{file} is no TOML: {error}") from error
    except KeyError as error:
        raise CapacityError(f"{file} has no {error.args[0]}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CapacityError(f"{file}, {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
