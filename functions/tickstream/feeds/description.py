"""What a feed's document says, typed. docs/feeds.md explains each key.

The structs are the format: reading, checking, the JSON Schema and the text that is frozen all follow from them.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

MAX_FIELDS: Final = 256
#: The longest text that a description may hold anywhere: a template, a regular expression, a code.
MAX_TEXT: Final = 1024

type Text = Annotated[str, Meta(max_length=MAX_TEXT)]
#: Text in which `{name}` stands for a value.
type Template = Annotated[str, Meta(max_length=MAX_TEXT, description="text in which {name} stands for a value")]
type Pattern = Annotated[str, Meta(max_length=MAX_TEXT, description="a regular expression, searched for")]
type Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\z".replace(r"\z", "$"))]
type FormatName = Literal["csv", "jsonl", "json", "parquet"]
type Character = Annotated[str, Meta(min_length=1, max_length=1)]
type PowerOfTen = Annotated[int, Meta(ge=-30, le=30, description="the number is multiplied by ten to this power")]
type Decimals = Annotated[
    int, Meta(ge=0, le=9, description="the number is a float, and is rounded to so many places after the point")
]


class Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """What all parts of a description have in common: camelCase keys, none that is unknown."""


class SchemaField(Part, frozen=True):
    """A column. `type`: what its values look like; `decimal` is a number with a point or an exponent."""

    name: Text
    type: Literal["string", "integer", "decimal", "number", "any"] = "any"
    title: str = ""
    description: str = ""


class TableSchema(Part, frozen=True):
    """The columns that a feed knows, in order where a file does not name them."""

    fields: Annotated[tuple[SchemaField, ...], Meta(max_length=MAX_FIELDS)] = ()
    missing_values: Annotated[tuple[Text, ...], Meta(max_length=32)] = ("",)
    decimal_char: Literal[".", ","] = "."
    group_char: Literal["", ",", ".", " ", "'"] = ""


class Dialect(Part, frozen=True):
    """How rows are written."""

    header: bool | Literal["optional", "ignored"] = True
    delimiter: Character | Annotated[tuple[Character, ...], Meta(min_length=1, max_length=4)] = ","
    quote_char: Character | None = '"'
    comment_char: Character | None = None
    header_rows: Annotated[tuple[Annotated[int, Meta(ge=1, le=100)], ...], Meta(min_length=1, max_length=1)] = (1,)
    property_path: Text = field(name="property", default="")

    @property
    def delimiters(self) -> tuple[str, ...]:
        """The delimiters, however many are written."""
        return (self.delimiter,) if isinstance(self.delimiter, str) else self.delimiter


class Match(Part, frozen=True):
    """By what files are known."""

    key: Pattern = ""
    member: Pattern = ""
    columns: Annotated[tuple[Text, ...], Meta(max_length=MAX_FIELDS)] = ()
    without: Annotated[tuple[Text, ...], Meta(max_length=MAX_FIELDS)] = ()


class Symbol(Part, frozen=True):
    """How a row's symbol is made. `join`: stands between those of several templates that are not blank."""

    template: Template | Annotated[tuple[Template, ...], Meta(min_length=1, max_length=8)] = field(name="from")
    join: Text = ""
    case: Literal["", "upper", "lower"] = ""
    replace: dict[Text, Text] = {}
    lookup: dict[Text, Text] = {}

    @property
    def templates(self) -> tuple[str, ...]:
        """The templates, however many are written."""
        return (self.template,) if isinstance(self.template, str) else self.template


class Day(Part, frozen=True):
    """The day that times of day belong to."""

    template: Template = field(name="from")
    format: Text


class Timestamp(Part, frozen=True):
    """How a row's moment is read."""

    template: Template = field(name="from")
    unit: Literal["", "auto", "s", "ms", "us", "ns"] = ""
    format: Text | Annotated[tuple[Text, ...], Meta(max_length=16)] = ()
    since: Literal["epoch", "midnight"] = "epoch"
    date: Day | None = None
    zone: Text = ""
    ambiguous: Literal["reject", "earlier", "later"] = "reject"

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats, however many are written."""
        return (self.format,) if isinstance(self.format, str) else self.format


class Number(Part, frozen=True):
    """How a price or a size is made: of one of `from`, `middle` and `constant`."""

    template: Template = field(name="from", default="")
    middle: tuple[Template, Template] | None = None
    constant: Text = ""
    scale: PowerOfTen = 0
    abs: bool = False
    decimals: Decimals | None = None


class Sequence(Part, frozen=True):
    """What decides between ticks of one nanosecond, beside their place in the file: one of the two."""

    template: Template = field(name="from", default="")
    order: Literal["", "descending"] = ""


class Condition(Part, frozen=True):
    """One of `in` and `notIn`."""

    value: Template
    among: Annotated[tuple[Text, ...], Meta(max_length=256)] | None = field(name="in", default=None)
    not_among: Annotated[tuple[Text, ...], Meta(max_length=256)] | None = field(name="notIn", default=None)


class Pair(Part, frozen=True):
    """Rows that take an earlier one of the same object back: all of `where` hold, and both have all of `by` alike."""

    where: Annotated[tuple[Condition, ...], Meta(min_length=1, max_length=16)]
    by: Annotated[tuple[Template, ...], Meta(min_length=1, max_length=8)]


class Cancel(Part, frozen=True):
    """Which rows are cancelled, erroneous or superseded trades: those of which one of `marks` holds, and pairs."""

    marks: Annotated[tuple[Condition, ...], Meta(max_length=16)] = ()
    pair: Pair | None = None


class SaleConditions(Part, frozen=True):
    """What a trade updates, by codes in a row. `tickstream.feeds.effects` says how codes and tables are written.

    by: what a code means may depend on it (a tape). table: a name, or one for each text of `by`. codes: come before the
    table's. otherwise: for a code that is in neither. `regularHours`: `09:30-16:00 America/New_York`.
    """

    value: Template
    split: Literal["", "characters", "list", "hexBits", "bits"] = ""
    separator: Annotated[str, Meta(max_length=1)] = ""
    by: Template = ""
    table: Text | Annotated[dict[Text, Text], Meta(max_length=16)] = ""
    codes: Annotated[dict[Text, Text], Meta(max_length=512)] = {}
    otherwise: Text = "open_close high_low volume"
    regular_hours: Text = ""


class TickPart(Part, frozen=True):
    """How rows become ticks."""

    timestamp: Timestamp
    price: Number
    size: Number
    symbol: Symbol | None = None
    match: Match = Match()
    sequence: Sequence | None = None
    where: Annotated[tuple[Condition, ...], Meta(max_length=16)] = ()
    cancel: Cancel = Cancel()
    conditions: SaleConditions | Annotated[tuple[SaleConditions, ...], Meta(max_length=4)] = ()

    @property
    def sale_conditions(self) -> tuple[SaleConditions, ...]:
        """The sale conditions, however many are written: a trade updates what all of them let it."""
        return (self.conditions,) if isinstance(self.conditions, SaleConditions) else self.conditions


class Origin(Part, frozen=True):
    """Where it is said how the vendor's files look."""

    title: str = ""
    path: str = ""


class Feed(Part, frozen=True):
    """A whole description, resolved: nothing is inherited any more."""

    name: Name
    format: FormatName | Annotated[tuple[FormatName, ...], Meta(min_length=1, max_length=4)]
    tick: TickPart
    title: str = ""
    description: str = ""
    sources: tuple[Origin, ...] = ()
    schema_uri: str | UnsetType = field(name="$schema", default=UNSET)
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    dialect: Dialect = Dialect()
    schema: TableSchema = TableSchema()
    #: What the user has to say, because no file does: the key and a sentence.
    told: dict[Text, Text] = {}
    #: Whether new bytes under an old key are added to what came under it before, or take its place; empty: as the
    #: bucket has it.
    same_key: Literal["", "add", "replace"] = ""

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats, however many are written."""
        return (self.format,) if isinstance(self.format, str) else self.format
