"""What every target has: a life as a context manager, and boto3 clients while it lives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from bench.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from bench.targets.clients import Clients


class Connection(ABC):
    """Holds a target's clients. where: what they are of, in an error's words.

    Emulators let names be used again at once, and show objects at once.
    """

    reuses_names_after_s = 0
    shows_objects_after_s = 0

    def __init__(self, where: str) -> None:
        self._where = where
        self._clients: Clients | None = None

    @abstractmethod
    def start(self) -> None:
        """Connect. Raises TargetError where that cannot be."""

    @abstractmethod
    def stop(self) -> None:
        """End what `start` has begun."""

    def __enter__(self) -> Self:
        """See `start`."""
        self.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """See `stop`."""
        self.stop()

    def client(self, service: str) -> Any:
        """Return the boto3 client for ``service``; the same one for every caller, and thread-safe.

        Raises TargetError before `start`.
        """
        if self._clients is None:
            raise TargetError(f"not connected to {self._where}")
        return self._clients.get(service)

    def adapted(self, template: str, parameters: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
        """Return both as they are: this target takes what AWS takes."""
        return template, parameters

    def _disconnect(self) -> None:
        """Close the connections; does nothing where there are none."""
        if self._clients is not None:
            self._clients.close()
            self._clients = None
