"""Text objects as an attack on the paths that read them: mostly plain rows, and something odd anywhere."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

#: What a fast reader and a strict one may see differently, wherever it stands.
ODD_BYTES: Final = (
    *(b"\r", b"\r\r", b"\n", b"\n\r", b'"', b'""', b'"""', b"'", b",", b",,", b" ", b"\t", b"\x0b", b"\x0c", b"\0"),
    *(b"\x01", b"\x1c", b"\x1f", b"\x7f", b"\x85", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\\", b"\\u0041", b"#", b";"),
    *(text.encode() for text in ("é", "\u2028", "\x85", "\ufeff", "\ufffd", "\u0661", "\U0001f4c8", "\xa0")),
    *(b"}{", b'}{"a', b'{"a":1}', b'}{",":1', b"}", b"{", b"[", b"]", b":", b"+", b"-", b"e3", b".", b"0", b"1" * 20),
)
_SYMBOLS: Final = (
    *("A", "A", "B", "BRK.B", "BTC/USD", "a", "", " A", "NA", "null", "Ä", "A" * 64, "A" * 65, "O:SPY260918C00770000"),
    *(
        "^GSPC",
        "GC=F",
        "1000PEPE/USDT:USDT",
        "btc_perp",
        "}{",
        "'",
        "%41",
        "A#",
        "A,B",
        "A\\",
        'A"',
        "!",
        "~",
        "\x7f",
        "-1",
    ),
)
_TIMES: Final = (
    *("1767625800", "9999999999999999999", "01767625800000000000", "", "-1", "2026-01-05T14:30:00Z"),
    *("2026-01-05T14:30:00.123456789+01:00", "2026-01-05T14:30:00", "2026-02-30T00:00:00Z", "2026-01-05T14:30:60Z"),
    *("2026-01-05T24:00:00Z", "2026-01-05 14:30:00Z", "1989-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    *("2026-01-05 14:30:00+00", "2026-01-05 14:30:00.1 UTC", "2026-01-05T14:30:00-0530", "2026-01-05 14:30:00"),
    *("2026-01-05  14:30:00Z", "2026-01-05T14:30:00  UTC", "2026-01-05T14:30:00+0", "2026-01-05T14:30:00+00:", "T"),
)
_NUMBERS: Final = (
    *("0", "0.0", "1e3", "+1", "-1", "1.", ".5", "1.0000000001", "1000000000", "999999999.999999999", "0.000000001"),
    *("007", " 1", "1 ", "NaN", "inf", "1_0", "", "null", "0x1", "100000000000000000000"),
    *("-0", "-0.0", "-0.000000001", "1.347e-05", "1E3", "1e+2", "-2.5e1", "15e-10", "10e-10", "0e999999999999", "1e"),
    *("1e1.5", "1e-999999999999", "1e400", "-", "--1", "-.5", "1.e3", "8999999999.999999999", "-8999999999.999999999"),
    *(
        "9000000000",
        "-9000000000",
        "9e9",
        "999999999999999.999999999",
        "1000000000000000",
        "1e15",
        "9223372036.854775808",
    ),
    *("1." + "0" * 9, "1." + "0" * 30, "1." + "0" * 62, "1." + "0" * 63, "1.1234567891", "1.123456789000", "0" * 64),
    *("0" * 65, "0000000000000001", "000000000000001.5"),
)
#: What stands between date and time, and behind; most rows are as ISO 8601 has them.
_ZONES: Final = (None, None, (" ", "+00:00"), (" ", "+0000"), (" ", "+00"), (" ", " UTC"), ("T", "-05"))
_IGNORED: Final = ("", "", "@", "@,T", "a b", 'a"b', "é", "\ufffd", "x" * 30, "1", "}{", "\\", "'")
_JSON_IGNORED: Final = (
    *('"@"', '""', "null", "true", "1.5e-3", "-0", "[]", '["@","T"]', "[14, 41]", '"a\\"b"', '"\\u0041"', '"}{"'),
    *('"price\\":1"', '{"a":1}', '[["x"]]', '"é"', '"a,b:c"', "01", "NaN", '"\\x"', '"\t"', '"}{\\"a\\":1"'),
)
_LINE_ENDS: Final = (b"\n", b"\n", b"\n", b"\r\n", b"\r\n", b"\r\r\n", b"\n\n", b"\r")


@dataclass(frozen=True, slots=True)
class TextInput:
    """One object and how it is read.

    text: what stands in it, unpacked. cuts: where it is cut into ranges or, gzipped, into members. tail: what follows
    the last member; None where the object is not gzipped.
    """

    text: bytes
    cuts: tuple[int, ...] = ()
    tail: bytes | None = None

    @property
    def data(self) -> bytes:
        """The object's bytes."""
        if self.tail is None:
            return self.text
        bounds = sorted({0, *(cut for cut in self.cuts if cut < len(self.text)), len(self.text)})
        members = [self.text[start:end] for start, end in pairwise(bounds)] or [b""]
        return b"".join(gzip.compress(member, 1, mtime=0) for member in members) + self.tail


def make_input(chance: random.Random) -> TextInput:
    """Make one object: CSV or JSON lines, plain or gzipped."""
    text = _csv(chance) if chance.random() < 0.5 else _json(chance)
    cuts = tuple(sorted(chance.randrange(len(text) + 1) for _ in range(chance.choice((0, 0, 1, 2, 5)))))
    if chance.random() < 0.7:
        return TextInput(text, cuts)
    tails = (
        b"",
        b"",
        b"",
        b"\0",
        b"\0" * 600,
        b"\0" * 10 + gzip.compress(b"", mtime=0),
        b"x",
        b"\0x",
        b"\x1f",
        b"\x1f\x8b",
    )
    return TextInput(text, cuts, chance.choice(tails))


def _csv(chance: random.Random) -> bytes:
    columns = ["symbol", "timestamp", "price", "size", *["exchange", "conditions"][: chance.randrange(3)]]
    chance.shuffle(columns)
    line_end = chance.choice((b"\n", b"\n", b"\r\n"))
    quoted = chance.choice((0.0, 0.0, 0.5, 1.0))
    iso = chance.random() < 0.3
    zone = chance.choice(_ZONES)
    rows = [",".join(columns).encode()]
    for _ in range(chance.randrange(1, 40)):
        odd = chance.random() < 0.15
        fields = [_csv_field(column, chance, quoted, iso=iso, odd=odd and chance.random() < 0.4) for column in columns]
        if zone:
            fields = [_elsewhere(field, zone) for field in fields]
        rows.append(_spoiled(",".join(fields).encode(), chance) if odd else ",".join(fields).encode())
    return _joined(rows, line_end, chance)


def _csv_field(column: str, chance: random.Random, quoted: float, *, iso: bool, odd: bool) -> str:
    value = _value(column, chance, iso=iso, odd=odd)
    if chance.random() < quoted or (column not in _VALUES and ("," in value or '"' in value)):
        return '"' + value.replace('"', '""') + '"'
    return value


def _json(chance: random.Random) -> bytes:
    columns = ["symbol", "timestamp", "price", chance.choice(("size", "size", "volume"))]
    columns += ["exchange", "conditions"][: chance.randrange(3)]
    chance.shuffle(columns)
    line_end = chance.choice((b"\n", b"\n", b"\r\n", b""))
    comma, colon = chance.choice(((",", ":"), (", ", ": "), (" ,\t", " :")))
    texts = {column for column in columns if chance.random() < 0.5} | {"symbol"}
    iso = "timestamp" in texts and chance.random() < 0.5
    rows = []
    for _ in range(chance.randrange(1, 40)):
        odd = chance.random() < 0.15
        names = columns + ([chance.choice(columns)] if odd and chance.random() < 0.2 else [])
        pairs = []
        for column in names:
            value = _value(column, chance, iso=iso, odd=odd and chance.random() < 0.4)
            if column not in _VALUES:
                value = chance.choice(_JSON_IGNORED[: None if odd else 4])
            elif (column in texts) != (odd and chance.random() < 0.2):
                value = json.dumps(value, ensure_ascii=chance.random() < 0.5)
            pairs.append(f'"{column}"{colon}{value}')
        row = ("{" + comma.join(pairs) + "}").encode()
        rows.append(_spoiled(row, chance) if odd and chance.random() < 0.7 else row)
    return _joined(rows, line_end, chance)


_VALUES: Final = {"symbol": _SYMBOLS, "timestamp": _TIMES, "price": _NUMBERS, "size": _NUMBERS, "volume": _NUMBERS}


def _value(column: str, chance: random.Random, *, iso: bool, odd: bool) -> str:
    if column not in _VALUES:
        return chance.choice(_IGNORED if odd else _IGNORED[:3])
    if odd:
        return chance.choice(_VALUES[column])
    if column == "symbol":
        return chance.choice("AB")
    if column == "timestamp":
        second = chance.randrange(200)
        return f"2026-01-05T15:{second // 60:02}:{second % 60:02}Z" if iso else f"{1_767_625_200 + second}000000000"
    return _number(column, chance)


def _number(column: str, chance: random.Random) -> str:
    """A number as exporters write it: with a sign, zeros, an exponent, or very large."""
    sign = "-" if column == "price" and chance.random() < 0.2 else ""
    kind = chance.random()
    if kind < 0.4:
        return f"{sign}{chance.randrange(9)}.{chance.randrange(10)}"
    if kind < 0.8:
        return f"{sign}{chance.randrange(9)}"
    if kind < 0.9:
        return f"{sign}{chance.randrange(10)}.{chance.randrange(1000)}e{chance.choice(('-05', '-3', '+2', '3', '0'))}"
    if kind < 0.95:
        return f"{sign}{chance.randrange(10)}.{chance.randrange(10**9):09d}{'0' * chance.randrange(12)}"
    return f"{sign}{chance.randrange(9 * 10 ** (9 if column == 'price' else 14))}.{chance.randrange(10**9):09d}"


def _elsewhere(field: str, zone: tuple[str, str]) -> str:
    """Write a time as another tool does."""
    return field.replace("T15:", f"{zone[0]}15:").replace("Z", zone[1]) if "T15:" in field else field


def _spoiled(row: bytes, chance: random.Random) -> bytes:
    """Put something odd anywhere into a row, once or twice, or leave a part of it out."""
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.choice((0, len(row), chance.randrange(len(row) + 1)))
        taken = chance.choice((0, 0, 1, 5))
        row = row[:at] + chance.choice((*ODD_BYTES, b"")) + row[at + taken :]
    return row


def _joined(rows: Sequence[bytes], line_end: bytes, chance: random.Random) -> bytes:
    text = b"".join(row + (chance.choice(_LINE_ENDS) if chance.random() < 0.05 else line_end) for row in rows)
    return text.removesuffix(line_end) if chance.random() < 0.3 else text
