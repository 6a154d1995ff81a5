"""Dask's scheduler and workers, as far as a run needs them: who is there, and a question to each, within a time.

Functions are run outside of Dask's tasks (`Client.run`): a task of a worker that is lost would be done once more by
another one, and what was sent would be sent twice.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, Self

from distributed import Client

from bench.errors import BenchError, WorkersError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_CONNECT_S: Final = 10.0
_CLOSE_S: Final = 5.0
#: Of all Dask's workers, however many.
_ALL: Final = -1


@dataclass(frozen=True, slots=True)
class Member:
    """One of Dask's workers: its name (which may be its address), its address, and the host that it is on."""

    name: str
    address: str
    host: str

    def __str__(self) -> str:
        return self.name if self.name == self.address else f"{self.name} ({self.address})"


@dataclass(frozen=True, slots=True)
class Unanswered:
    """There was no answer; why."""

    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A worker answered that it cannot; why."""

    why: str


def answered(function: Callable[..., Any], arguments: tuple[Any, ...], dask_worker: Any = None) -> Any:
    """Run in a worker: return what the function returns, or `Refused`, so that a lost connection is never taken for it.

    dask_worker: given by Dask, and handed on to a function that wants it.
    """
    try:
        if "dask_worker" in signature(function).parameters:
            return function(*arguments, dask_worker)
        return function(*arguments)
    except BenchError as error:
        return Refused(str(error))
    except Exception as error:  # noqa: BLE001 - told to the one who asks
        return Refused(f"{type(error).__name__}: {error}")


class Cluster:
    """A connection to a scheduler. Raises WorkersError where it does not answer, or has no workers."""

    def __init__(self, address: str, *, connect_s: float = _CONNECT_S) -> None:
        # What it has to say of lost connections is said here, in one line.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            self._client = Client(address, timeout=connect_s, set_as_default=False)
        except (OSError, ValueError, TypeError, ImportError) as error:
            said = str(error).partition("\n")[0] or type(error).__name__
            raise WorkersError(
                f"the scheduler at {address} does not answer within {connect_s:.0f} s: {said}"
            ) from error
        found = self._client.scheduler_info(n_workers=_ALL)["workers"]
        #: Those that were there at the beginning, in an order that depends on their names alone.
        self.members: tuple[Member, ...] = tuple(
            sorted(
                (Member(str(one["name"]), where, str(one["host"])) for where, one in found.items()),
                key=lambda one: (one.name, one.address),
            )
        )
        if not self.members:
            self.close()
            raise WorkersError(f"the scheduler at {address} has no workers: dask worker {address}")

    def __enter__(self) -> Self:
        """See `close`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """See `close`."""
        self.close()

    def close(self) -> None:
        """End the connection. Scheduler and workers go on: they are the user's."""
        self._client.close(timeout=_CLOSE_S)

    def ask(
        self, function: Callable[..., Any], questions: Mapping[Member, tuple[Any, ...]], *, within_s: float
    ) -> dict[Member, Any]:
        """Ask several workers at once, each with its arguments; return answers, `Refused` or `Unanswered` of each."""

        async def one(member: Member, arguments: tuple[Any, ...]) -> Any:
            try:
                async with asyncio.timeout(within_s):
                    found = await self._client.run(
                        answered, function, arguments, workers=[member.address], on_error="return"
                    )
            except TimeoutError:
                return Unanswered(f"no answer within {within_s:.0f} s")
            except Exception as error:  # noqa: BLE001 - whatever Dask raises, there was no answer
                return Unanswered(_said(error))
            answer = found[member.address]
            return Unanswered(_said(answer)) if isinstance(answer, Exception) else answer

        async def everybody() -> list[Any]:
            return await asyncio.gather(*(one(member, arguments) for member, arguments in questions.items()))

        # The bound is of each question; this one is for a connection whose own thread has died.
        try:
            answers = self._client.sync(everybody, callback_timeout=within_s + _CLOSE_S)
        except (TimeoutError, RuntimeError) as error:
            answers = [Unanswered(_said(error))] * len(questions)
        return dict(zip(questions, answers, strict=True))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
