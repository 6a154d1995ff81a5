"""Where the functions meet the world outside, taken over: clocks, clients, threads, chance, logs and settings.

Everything here is a name in a module of the functions, set while a simulation runs and set back afterwards; no function
knows of it. What stands behind the names is whichever world is `current`.
"""

from __future__ import annotations

import hashlib
import random
import sys
import time
import uuid
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from bench.errors import BenchError
from bench.simulation.remembered import remembered
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bench.simulation.scheduler import Scheduler

_ROOMS: Final = ("services", "market_analytics", "file_processing", "operations")
_NS_PER_MS: Final = 10**6


class World(Protocol):
    """What the functions are in."""

    scheduler: Scheduler
    clients: Mapping[str, Any]

    def logged(self, level: str, message: str, error: BaseException | None) -> None:
        """Hear of a line that a function logs."""
        ...


class _Stage:
    """Which world the functions are in now."""

    world: World | None = None

    @property
    def here(self) -> World:
        if self.world is None:
            raise BenchError("a function of the simulation runs outside of any world")
        return self.world


STAGE: Final = _Stage()


class _VirtualTime:
    """The module `time`, as far as functions use it."""

    def time_ns(self) -> int:
        scheduler = STAGE.here.scheduler
        actor = scheduler.current
        return (scheduler.now_ms + (actor.skew_ms if actor else 0)) * _NS_PER_MS

    def time(self) -> float:
        return self.time_ns() / 10**9

    def monotonic(self) -> float:
        return STAGE.here.scheduler.now_ms / 1000

    def sleep(self, seconds: float) -> None:
        STAGE.here.scheduler.sleep(round(seconds * 1000))


class _Even:
    """The module `random`, without chance: chance is the seed's alone."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


class _Numbered:
    """The module `uuid`: ids that are new, and the same in each run."""

    class _Id:
        def __init__(self, text: str) -> None:
            self.hex = hashlib.sha256(text.encode()).hexdigest()[:32]

    def __init__(self) -> None:
        self._id = remembered(self._Id)

    def uuid4(self) -> _Id:
        actor = STAGE.here.scheduler.current
        return self._id(actor.label if actor else "nobody")


class _Done[Result]:
    """What a pool gives for work that is done: a future that nobody needs to wait for."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._error: Exception | None = None
        try:
            self._result = work()
        except Exception as error:  # noqa: BLE001 - a future has it for whoever asks
            self._error = error

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._result

    def cancel(self) -> bool:
        return False


class _Here:
    """A pool of threads that does everything at once, in the caller."""

    def submit[**Given, Result](
        self, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> _Done[Result]:
        return _Done(partial(work, *given, **named))


class _QuietLogger:
    """What functions log to: the world hears of what goes wrong, nobody of the rest."""

    def debug(self, *_: object, **__: object) -> None: ...

    info = warning = append_keys = debug

    def error(self, message: str, **_: object) -> None:
        STAGE.here.logged("error", message, None)

    def exception(self, message: str, **_: object) -> None:
        STAGE.here.logged("exception", message, sys.exception())

    def append_context_keys(self, **_: object) -> nullcontext[None]:
        return nullcontext()


class _Environment:
    """`os.environ` of whichever function is at work."""

    def get(self, name: str, default: str = "") -> str:
        actor = STAGE.here.scheduler.current
        return actor.environment.get(name, default) if actor else default


def _no_threads() -> _Here:
    return _Here()


def _all_done[One](futures: Iterable[One]) -> tuple[set[One], set[One]]:
    """Wait as `concurrent.futures.wait` does, for what is done ever since it was begun."""
    return set(futures), set()


#: By the name under which functions import it, a module or a function, and what they get instead.
_IMPORTED: Final[Mapping[str, tuple[object, object]]] = {
    "time": (time, _VirtualTime()),
    "random": (random, _Even()),
    "uuid": (uuid, _Numbered()),
    "wait": (wait, _all_done),
    "iso_8601": (iso_8601, remembered(iso_8601)),
}


@contextmanager
def taken_over(handlers: tuple[str, ...], more: Mapping[str, Mapping[str, object]]) -> Iterator[None]:
    """Take the seams over, for functions whose modules are imported here.

    handlers: the modules of the handlers. more: names to set beside, by module.
    Raises BenchError where a name is not there: the code has changed, and `more` must change with it.
    """
    with ExitStack() as stack:
        for name in (*handlers, *more):
            import_module(name)
        for name, names in (*_seams(), *more.items()):
            module = sys.modules[name]
            for attribute, value in names.items():
                _set(stack, module, attribute, value)
        settings = sys.modules["services.settings"]
        environment = (_Environment(),)
        _set(stack, settings.text, "__defaults__", environment)
        _set(stack, settings.whole_number, "__defaults__", environment)
        yield


def _seams() -> Iterator[tuple[str, dict[str, object]]]:
    clients = ("dynamodb", "sqs", "s3", "events")
    yield "services.clients", {name: _client_of(name) for name in clients}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in _ROOMS or name == "services.clients":
            continue
        found: dict[str, object] = {
            attribute: virtual
            for attribute, (real, virtual) in _IMPORTED.items()
            if getattr(module, attribute, None) is real
        }
        if hasattr(module, "logger"):
            found["logger"] = _QuietLogger()
        if hasattr(module, "_threads"):
            found["_threads"] = _no_threads
        if found:
            yield name, found


def _client_of(name: str) -> Callable[[], Any]:
    return lambda: STAGE.here.clients[name]


def _set(stack: ExitStack, owner: object, attribute: str, value: object) -> None:
    if not hasattr(owner, attribute):
        _refuse(f"{getattr(owner, '__name__', owner)} has no {attribute} any more: the simulation must follow it")
    stack.callback(setattr, owner, attribute, getattr(owner, attribute))
    setattr(owner, attribute, value)


def _refuse(why: str) -> NoReturn:
    raise BenchError(why)


@contextmanager
def on_stage(world: World) -> Iterator[None]:
    """Have the functions be in a world."""
    before, STAGE.world = STAGE.world, world
    try:
        yield
    finally:
        STAGE.world = before
