"""A bucket, queues and a status table in memory, and the stages between them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from file_processing import data_processor_files, file_validator_checks
from file_processing.result_aggregator import complete_file
from services.memory_status_table import MemoryStatusTable
from tickstream.errors import ObjectRejected, Reason
from tickstream.files import decode_pointer, encode_pointer
from tickstream.notifications import object_created

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tickstream.arrival_lists import Placed
    from tickstream.file_status import FileStatus
    from tickstream.files import FilePointer
    from tickstream.ingests import Read, Source

BUCKET = "file-processing-test"
NOW_MS = 1_767_623_400_123
HEADER = b"symbol,timestamp,price,size\n"


class Died(Exception):
    """The process is gone: nothing after this point happens."""


@dataclass
class World:
    """All that outlives a process.

    before_effect, after_effect: called with the name of each write or send; what they raise is a death there.
    """

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    statuses: MemoryStatusTable = field(default_factory=MemoryStatusTable)
    to_processor: list[str] = field(default_factory=list)
    to_aggregator: list[str] = field(default_factory=list)
    before_effect: Callable[[str], None] = lambda _: None
    after_effect: Callable[[str], None] = lambda _: None
    max_file_bytes: int = 128 << 20
    in_time: bool = True

    def upload(self, key: str, content: bytes, number: int = 1) -> dict[str, Any]:
        """Put a version of an object and return the record of its event; later numbers are later versions."""
        version = f"version-{number}"
        self.objects[key, version] = content
        return {
            "eventTime": "2026-01-05T14:30:00.123Z",
            "s3": {
                "bucket": {"name": BUCKET},
                "object": {
                    "key": key.replace("%", "%25").replace(" ", "+"),
                    "versionId": version,
                    "eTag": hashlib.md5(content).hexdigest(),  # noqa: S324 - S3's own
                    "size": len(content),
                    "sequencer": f"0066AB{number:012X}",
                },
            },
        }

    def validate(self, record: dict[str, Any]) -> file_validator_checks.Validated:
        """Run the first stage on a record."""
        stores = file_validator_checks.Stores(
            self.table, self._as_stored, self._open, self._sender("processor", self.to_processor), lambda: NOW_MS
        )
        return file_validator_checks.validate_file(object_created(record), self.max_file_bytes, stores)

    def process(self, body: str, span_bytes: int = 64) -> data_processor_files.Processed:
        """Run the second stage on a message."""
        stores = data_processor_files.Stores(
            self.table,
            self._open,
            self._sender("aggregator", self.to_aggregator),
            lambda: NOW_MS,
            lambda: self.in_time,
        )
        return data_processor_files.process_file(decode_pointer(body), stores, span_bytes)

    def complete(self, body: str) -> object:
        """Run the last stage on a message."""
        return complete_file(decode_pointer(body), self.table, lambda: NOW_MS)

    @property
    def table(self) -> Watched:
        """The table as the stages see it."""
        return Watched(self)

    def status(self, key: str) -> FileStatus:
        """The status of a file that has one."""
        found = self.statuses.get(f"{BUCKET}/{key}")
        assert found is not None
        return found

    def run(self, record: dict[str, Any]) -> FileStatus:
        """Take a file through all stages, each message delivered again until its stage comes to its end."""
        again(partial(self.validate, record))
        for body in drained(self.to_processor):
            again(partial(self.process, body))
        for body in drained(self.to_aggregator):
            again(partial(self.complete, body))
        return self.status(object_created(record).source.key)

    def _as_stored(self, source: Source) -> Source:
        content = self.objects.get((source.key, source.version_id))
        if content is None:
            raise ObjectRejected(Reason.OBJECT_GONE, "the object is not there any more (404)")
        return replace(source, size_bytes=len(content))

    def _open(self, source: Source) -> Read:
        def read(start: int, end: int) -> bytes:
            content = self.objects.get((source.key, source.version_id))
            if content is None:
                raise ObjectRejected(Reason.OBJECT_GONE, "the object is not there any more (404)")
            return content[start:end]

        return read

    def _sender(self, name: str, queue: list[str]) -> Callable[[FilePointer], None]:
        def send(pointer: FilePointer) -> None:
            self.before_effect(f"send to {name}")
            queue.append(encode_pointer(pointer))
            self.after_effect(f"send to {name}")

        return send


@dataclass
class Watched:
    """The status table, with deaths around its writes."""

    world: World

    def get(self, file_id: str) -> FileStatus | None:
        """See StatusTable."""
        return self.world.statuses.get(file_id)

    def replace(self, stored: FileStatus | None, status: FileStatus) -> bool:
        """See StatusTable."""
        self.world.before_effect("status")
        written = self.world.statuses.replace(stored, status)
        self.world.after_effect("status")
        return written

    def get_each(self, file_ids: Sequence[str]) -> list[FileStatus | None]:
        """See StatusTable."""
        return self.world.statuses.get_each(file_ids)

    def list_each(self, shards: Sequence[str], limit_each: int, first: int, last: int) -> list[Placed]:
        """See StatusTable."""
        return self.world.statuses.list_each(shards, limit_each, first, last)

    def get_statistics(self, pointer: FilePointer) -> bytes | None:
        """See StatusTable."""
        return self.world.statuses.get_statistics(pointer)

    def put_statistics(self, pointer: FilePointer, packed: bytes) -> None:
        """See StatusTable."""
        self.world.before_effect("statistics")
        self.world.statuses.put_statistics(pointer, packed)
        self.world.after_effect("statistics")


def again(work: Callable[[], object]) -> None:
    """Deliver until the stage lives to its end."""
    while True:
        try:
            work()
        except Died:
            continue
        return


def drained(queue: list[str]) -> list[str]:
    """Take all messages of a queue."""
    bodies = list(queue)
    queue.clear()
    return bodies


def rows(*ticks: tuple[str, int, str, str]) -> bytes:
    """A CSV file: symbol, seconds after 2026-01-05T14:30:00Z, price, size."""
    lines = (f"{symbol},{(1_767_623_400 + at) * 10**9},{price},{size}\n" for symbol, at, price, size in ticks)
    return HEADER + "".join(lines).encode()


@pytest.fixture
def world() -> World:
    """Nothing has happened yet."""
    return World()


@pytest.fixture
def make_world() -> Callable[[], World]:
    """Worlds, for tests that need several."""
    return World


@pytest.fixture
def csv_file() -> Callable[..., bytes]:
    """Builds a file of ticks."""
    return rows


@pytest.fixture
def died() -> type[Exception]:
    """What a death raises."""
    return Died
