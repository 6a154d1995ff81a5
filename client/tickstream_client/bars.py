"""The bars of one question, to be iterated or exported; each time they are read they are asked for anew."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from tickstream_client.drivers.tasks import in_thread
from tickstream_client.errors import NotFoundError, UnknownSymbolWarning
from tickstream_client.tables import exports
from tickstream_client.tables.decoding import bars_of, typed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path

    import polars as pl

    from tickstream_client.protocol.bars import Question
    from tickstream_client.records import Bar
    from tickstream_client.tables.decoding import Page

_SHOWN: Final = 10


class _Census:
    """Which symbols of a question are unknown, while its pages go by."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._unknown: set[str] = set()

    @property
    def unknown(self) -> tuple[str, ...]:
        return tuple(symbol for symbol in self._question.symbols if symbol in self._unknown)

    def note(self, page: Page) -> pl.DataFrame:
        """Note what a page says, and return its bars."""
        self._unknown.update(page.unknown)
        return page.frame

    def end(self) -> None:
        """Warn of what is unknown; raise NotFoundError where that is all that was asked for."""
        unknown = self.unknown
        if not unknown:
            return
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        said = f"no tick of {', '.join(unknown[:_SHOWN])}{more} was ever ingested"
        if len(unknown) == len(self._question.symbols):
            raise NotFoundError(404, "unknown_symbol", said)
        warnings.warn(said, UnknownSymbolWarning, stacklevel=2)


class Bars:
    """Bars, symbol by symbol in the order in which they were asked for, and upwards in time.

    Iterate over it for one `Bar` after the other, or have all of them in a table or a file. Nothing is asked before.
    Of symbols without any tick there is a warning (UnknownSymbolWarning, and `unknown`), and a NotFoundError where it
    is all of them. All methods raise what calls raise: ApiError, UnansweredError, AnswerError; exports ExportError.
    """

    def __init__(self, question: Question, pages: Callable[[], Iterator[Page]]) -> None:
        self._pages = pages
        self._question = question
        self._census = _Census(question)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Symbols of which no tick ever came, as far as the last reading went."""
        return self._census.unknown

    def __iter__(self) -> Iterator[Bar]:
        """Yield one bar after the other, exact; memory is that of some pages."""
        for frame in self._wire():
            yield from bars_of(frame)

    def frames(self, *, floats: bool = False) -> Iterator[pl.DataFrame]:
        """Yield the bars page by page, as polars frames of at most 5,000 bars."""
        for frame in self._wire():
            yield typed(frame, floats=floats)

    def to_polars(self, *, floats: bool = False) -> pl.DataFrame:
        """All bars as a polars DataFrame.

        Decimals are `pl.Decimal`: 9 digits behind the point for prices and volume, 18 for notional.
        """
        return exports.to_polars(self._wire(), floats=floats)

    def to_pandas(self, *, floats: bool = False) -> Any:
        """All bars as a pandas DataFrame, decimals as `decimal.Decimal`."""
        return exports.to_pandas(self._wire(), floats=floats)

    def to_arrow(self, *, floats: bool = False) -> Any:
        """All bars as a pyarrow Table, decimals as decimal128."""
        return exports.to_arrow(self._wire(), floats=floats)

    def to_parquet(self, path: str | Path, *, floats: bool = False) -> int:
        """Write them to a Parquet file as they come, and return how many there are."""
        return exports.to_parquet(self._wire(), path, floats=floats)

    def to_csv(self, path: str | Path) -> int:
        """Write them to a CSV file as they come, decimals as the API writes them, and return how many there are."""
        return exports.to_csv(self._wire(), path)

    def to_jsonl(self, path: str | Path) -> int:
        """Write them to a file of JSON lines as they come, decimals as text, and return how many there are."""
        return exports.to_jsonl(self._wire(), path)

    def _wire(self) -> Iterator[pl.DataFrame]:
        self._census = census = _Census(self._question)
        for page in self._pages():
            yield census.note(page)
        census.end()


class AsyncBars:
    """The same for `async for` and `await`."""

    def __init__(self, question: Question, pages: Callable[[], AsyncGenerator[Page]]) -> None:
        self._pages = pages
        self._question = question
        self._census = _Census(question)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Symbols of which no tick ever came, as far as the last reading went."""
        return self._census.unknown

    async def __aiter__(self) -> AsyncIterator[Bar]:
        """Yield one bar after the other, exact; memory is that of some pages."""
        async for frame in self._wire():
            for bar in bars_of(frame):
                yield bar

    async def frames(self, *, floats: bool = False) -> AsyncGenerator[pl.DataFrame]:
        """Yield the bars page by page, as polars frames of at most 5,000 bars."""
        async for frame in self._wire():
            yield typed(frame, floats=floats)

    async def to_polars(self, *, floats: bool = False) -> pl.DataFrame:
        """All bars as a polars DataFrame."""
        return await self._export(lambda frames: exports.to_polars(frames, floats=floats))

    async def to_pandas(self, *, floats: bool = False) -> Any:
        """All bars as a pandas DataFrame."""
        return await self._export(lambda frames: exports.to_pandas(frames, floats=floats))

    async def to_arrow(self, *, floats: bool = False) -> Any:
        """All bars as a pyarrow Table."""
        return await self._export(lambda frames: exports.to_arrow(frames, floats=floats))

    async def to_parquet(self, path: str | Path, *, floats: bool = False) -> int:
        """Write them to a Parquet file as they come, and return how many there are."""
        return await self._export(lambda frames: exports.to_parquet(frames, path, floats=floats))

    async def to_csv(self, path: str | Path) -> int:
        """Write them to a CSV file as they come, and return how many there are."""
        return await self._export(lambda frames: exports.to_csv(frames, path))

    async def to_jsonl(self, path: str | Path) -> int:
        """Write them to a file of JSON lines as they come, and return how many there are."""
        return await self._export(lambda frames: exports.to_jsonl(frames, path))

    async def _export[T](self, export: Callable[[Iterable[pl.DataFrame]], T]) -> T:
        return await in_thread(self._wire(), export)

    async def _wire(self) -> AsyncGenerator[pl.DataFrame]:
        self._census = census = _Census(self._question)
        pages = self._pages()
        try:
            async for page in pages:
                yield census.note(page)
        finally:
            await pages.aclose()
        census.end()
