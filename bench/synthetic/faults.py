"""Corrupt rows: each fault breaks one thing of a good row and knows the reason that it must be rejected with.

The reasons are the pipeline's public vocabulary; how a row is judged is not shared with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tickstream.errors import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

#: One byte more than the longest row that the pipeline reads.
TOO_LONG_BYTES: Final = 1_048_577


@dataclass(frozen=True, slots=True)
class Fields:
    """A good row as texts, in the spelling of its file."""

    symbol: str
    timestamp: str
    price: str
    size: str


type LineFault = tuple[Reason, Callable[[Fields, tuple[str, ...]], bytes]]
type ValueFault = tuple[Reason, Callable[[dict[str, Any]], dict[str, Any]]]


def csv_line(fields: Fields, columns: tuple[str, ...]) -> bytes:
    """One CSV row in the order of the columns; those that a tick does not have are left empty."""
    known = {"symbol": fields.symbol, "timestamp": fields.timestamp, "price": fields.price, "size": fields.size}
    return ",".join(known.get(column, "") for column in columns).encode()


def json_line(fields: Fields, _columns: tuple[str, ...] = ()) -> bytes:
    """One row of JSON; price and size as numbers, which JSON keeps exactly as text."""
    timestamp = fields.timestamp if fields.timestamp.isdecimal() else json.dumps(fields.timestamp)
    return (
        f'{{"symbol":{json.dumps(fields.symbol)},"timestamp":{timestamp},"price":{fields.price},"size":{fields.size}}}'
    ).encode()


def too_long_line(fields: Fields, columns: tuple[str, ...]) -> bytes:
    """A row that would be good, were it not one byte too long."""
    line = csv_line(fields, columns)
    return line + b"x" * (TOO_LONG_BYTES - len(line))


def _value_faults(line: Callable[[Fields, tuple[str, ...]], bytes]) -> tuple[LineFault, ...]:
    def broken(reason: Reason, **values: str) -> LineFault:
        return reason, lambda fields, columns: line(replace(fields, **values), columns)

    def seconds(fields: Fields, columns: tuple[str, ...]) -> bytes:
        return line(replace(fields, timestamp="1767623400"), columns)

    return (
        broken(Reason.BAD_SYMBOL, symbol="AA PL"),
        broken(Reason.BAD_SYMBOL, symbol="AAPL#1"),
        broken(Reason.BAD_SYMBOL, symbol="A" * 65),
        broken(Reason.BAD_TIMESTAMP, timestamp="yesterday"),
        broken(Reason.BAD_TIMESTAMP, timestamp="2026-01-05T14:30:00"),
        broken(Reason.BAD_TIMESTAMP, timestamp="2026-02-30T14:30:00Z"),
        (Reason.TIMESTAMP_OUT_OF_RANGE, seconds),
        broken(Reason.BAD_PRICE, price="9000000000"),
        broken(Reason.BAD_PRICE, price="-12345678901.25"),
        broken(Reason.BAD_PRICE, price="1e10"),
        broken(Reason.BAD_PRICE, price="1.1234567891"),
        broken(Reason.BAD_PRICE, price="1.5e-9"),
        broken(Reason.BAD_SIZE, size="-100"),
        broken(Reason.BAD_SIZE, size="1000000000000000"),
        broken(Reason.BAD_SIZE, size="1E15"),
    )


CSV_FAULTS: Final[tuple[LineFault, ...]] = (
    *_value_faults(csv_line),
    (Reason.BAD_PRICE, lambda fields, columns: csv_line(replace(fields, price="NaN"), columns)),
    (Reason.BAD_PRICE, lambda fields, columns: csv_line(replace(fields, price="1."), columns)),
    (Reason.BAD_SIZE, lambda fields, columns: csv_line(replace(fields, size="1_000"), columns)),
    (Reason.BAD_SIZE, lambda fields, columns: csv_line(replace(fields, size=" 100"), columns)),
    (Reason.MISSING_FIELD, lambda fields, columns: csv_line(replace(fields, price=""), columns)),
    (Reason.MISSING_FIELD, lambda fields, columns: csv_line(replace(fields, symbol=""), columns)),
    (Reason.MALFORMED_ROW, lambda fields, _columns: f"{fields.symbol},{fields.timestamp}".encode()),
    (Reason.MALFORMED_ROW, lambda fields, columns: csv_line(fields, columns) + b",surplus,surplus"),
    (Reason.MALFORMED_ROW, lambda fields, columns: b'"' + csv_line(fields, columns)),
    (Reason.NOT_UTF8, lambda fields, columns: csv_line(replace(fields, symbol="A"), columns) + b"\xff\xfe"),
)

JSON_FAULTS: Final[tuple[LineFault, ...]] = (
    *_value_faults(json_line),
    (Reason.MISSING_FIELD, lambda fields, _: json_line(fields).replace(b'"price"', b'"prize"')),
    (Reason.MALFORMED_ROW, lambda fields, _: json_line(fields)[:-1]),
    (Reason.MALFORMED_ROW, lambda fields, _: b"[" + json_line(fields) + b"]"),
    (Reason.NOT_UTF8, lambda fields, _: json_line(fields).replace(b'"symbol":"', b'"symbol":"\xc3\x28')),
)

#: For rows that are values and not text: Parquet, and ticks in a POST.
VALUE_FAULTS: Final[tuple[ValueFault, ...]] = (
    (Reason.BAD_SYMBOL, lambda row: row | {"symbol": "AA PL"}),
    (Reason.TIMESTAMP_OUT_OF_RANGE, lambda row: row | {"timestamp": 1_767_623_400}),
    (Reason.BAD_PRICE, lambda row: row | {"price": "9000000000"}),
    (Reason.BAD_PRICE, lambda row: row | {"price": "-12345678901.25"}),
    (Reason.BAD_SIZE, lambda row: row | {"size": "-1.25"}),
    (Reason.MISSING_FIELD, lambda row: row | {"price": None}),
    (Reason.MISSING_FIELD, lambda row: row | {"symbol": None}),
)
