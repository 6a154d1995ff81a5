"""The world of file processing: its functions as they are deployed, and what is around them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from bench.simulation.files_inputs import CONTENTS, Do, Input, key_of_file
from bench.simulation.functions import EventSource, Function
from bench.simulation.objects import Bucket, ObjectClient
from bench.simulation.queues import Queue, QueueClient
from bench.simulation.remembered import Remembered
from bench.simulation.scheduler import EPOCH_MS, Scheduler
from bench.simulation.services import Calls
from bench.simulation.table import Table, TableClient
from bench.simulation.verdicts import Violation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.simulation.decisions import Choices
    from bench.simulation.files_inputs import FilesScenario
    from bench.simulation.table import Key
    from tickstream.file_status import Move
    from tickstream.items import Item

TABLE: Final = "statuses"
BUCKET: Final = "files"
FUNCTION_MS: Final = 50_000
ENVIRONMENT: Final = "dev"

HANDLERS: Final = (
    "file_processing.file_validator",
    "file_processing.data_processor",
    "file_processing.result_aggregator",
    "operations.dead_letter_recorder",
)


def seams() -> dict[str, dict[str, object]]:
    """Return what is set in the functions' modules: pure work that is remembered."""
    from services.decoder_process import decode_pieces_apart  # noqa: PLC0415 - a planted fault comes first
    from tickstream.layouts import sniff  # noqa: PLC0415
    from tickstream.row_samples import sample_rows  # noqa: PLC0415

    def pieces(*given: Any, **named: Any) -> list[Any]:
        return list(decode_pieces_apart(*given, **named))

    return {
        "file_processing.file_validator_checks": {
            "sniff": Remembered(sniff, read_at=1),
            "sample_rows": Remembered(sample_rows, read_at=2),
        },
        "file_processing.data_processor": {"decode_pieces_apart": Remembered(pieces, read_at=3)},
    }


@dataclass(frozen=True, slots=True)
class Upload:
    """One version of a file that was put. sequencer: as the functions order it."""

    sequencer: str
    content: int


class FilesWorld:
    """One schedule of file processing. The functions must be on its stage while it runs."""

    def __init__(self, scenario: FilesScenario, choices: Choices) -> None:
        from file_processing import data_processor, file_validator, result_aggregator  # noqa: PLC0415
        from operations import dead_letter_recorder  # noqa: PLC0415

        self.scheduler = Scheduler()
        self.calls = Calls(self.scheduler, choices)
        self.violations: list[Violation] = []
        #: Of each file, its uploads in order.
        self.uploads: dict[str, list[Upload]] = {}
        self.table = Table("fileId", watch=self._moved)
        self.bucket = Bucket()
        self._uploads = 0
        self.parked = Queue(f"parked-{ENVIRONMENT}", self.calls)
        dead_events = Queue(f"file-validator-dead-letter-{ENVIRONMENT}", self.calls)
        self.to_process, dead_files = self._stage("data-processor")
        self.to_aggregate, dead_results = self._stage("result-aggregator")
        self.queues = (self.to_process, self.to_aggregate, dead_events, dead_files, dead_results, self.parked)

        def function(name: str, module: Any, queue: Queue | None, dead_letters: Queue | None = None) -> Function:
            environment = {
                "TABLE_NAME": TABLE,
                "QUEUE_URL": queue.url if queue else "",
                "PARKED_QUEUE_URL": self.parked.url,
                "MAX_FILE_BYTES": str(1 << 20),
            }
            return Function(name, module.handler, FUNCTION_MS, self.scheduler, choices, environment, dead_letters)

        self.validator = function("file-validator", file_validator, self.to_process, dead_events)
        processor = function("data-processor", data_processor, self.to_aggregate)
        aggregator = function("result-aggregator", result_aggregator, None)
        recorder = function("dead-letter-recorder", dead_letter_recorder, None)
        EventSource(self.to_process, processor, batch_size=scenario.batch_size)
        EventSource(self.to_aggregate, aggregator, batch_size=scenario.batch_size)
        for queue in (dead_events, dead_files, dead_results):
            EventSource(queue, recorder, batch_size=10)
        self.clients: Mapping[str, Any] = {
            "dynamodb": TableClient({TABLE: self.table}, self.calls),
            "sqs": QueueClient({queue.url: queue for queue in self.queues}, self.calls),
            "s3": ObjectClient(self.bucket, self.calls),
        }
        for one in scenario.inputs:
            self.scheduler.at(EPOCH_MS + one.at_ms, partial(self._do, one))

    def _stage(self, consumer: str) -> tuple[Queue, Queue]:
        dead_letters = Queue(f"{consumer}-dead-letter-{ENVIRONMENT}.fifo", self.calls, fifo=True)
        return Queue(f"{consumer}-{ENVIRONMENT}.fifo", self.calls, fifo=True, dead_letters=dead_letters), dead_letters

    def logged(self, level: str, message: str, error: BaseException | None) -> None:
        """Hear of what a function logs: whatever no service's failure explains is a violation."""
        from tickstream.errors import ServiceIncomplete  # noqa: PLC0415 - see seams

        if level == "error" or not isinstance(error, ServiceIncomplete):
            self.violations.append(Violation(f"unexpected {type(error).__name__}", f"{message}: {error!r}"))

    # --- what the world outside does -----------------------------------------------------------------------------

    def _do(self, one: Input) -> None:
        if one.do is Do.UPLOAD:
            self._upload(one)
        else:
            self.redrive(keep=one.number == 1)

    def _upload(self, one: Input) -> None:
        from tickstream.notifications import object_created  # noqa: PLC0415 - see seams

        self._uploads += 1
        version = self.bucket.put(key_of_file(one.number), CONTENTS[one.content].body)
        # Later uploads have later sequencers; S3's have trailing zeros as often as other digits.
        sequencer = f"{0x0066AB000000 + self._uploads * 16:014X}"
        about = {
            "key": version.key,
            "versionId": version.id,
            "eTag": version.etag,
            "size": len(version.body),
            "sequencer": sequencer.rstrip("0") if self._uploads % 3 == 0 else sequencer,
        }
        seconds = (self.scheduler.now_ms - EPOCH_MS) // 1000
        created = f"2026-01-05T14:{seconds // 60:02}:{seconds % 60:02}.000Z"
        record = {"eventTime": created, "s3": {"bucket": {"name": BUCKET}, "object": about}}
        known = Upload(object_created(record).sequencer, one.content)
        self.uploads.setdefault(f"{BUCKET}/{version.key}", []).append(known)
        self.validator.invoke_later({"Records": [record]}, f"announcement {self._uploads}", may_be_lost=False)

    def redrive(self, *, keep: bool = False) -> None:
        """Put parked messages back to work, by the code of `bench redrive`. keep: it dies before it deletes them."""
        from bench.redrive.dead_letters import (  # noqa: PLC0415 - see seams
            ToQueue,
            file_event_reader,
            parked_reader,
            pointer_reader,
        )

        readers = {
            ("validator", f"file-validator-{ENVIRONMENT}"): file_event_reader("file-validator", BUCKET),
            ("processor", f"data-processor-{ENVIRONMENT}.fifo"): pointer_reader(self.to_process.url),
            ("aggregator", f"result-aggregator-{ENVIRONMENT}.fifo"): pointer_reader(self.to_aggregate.url),
        }
        read = parked_reader(readers)
        by_url = {queue.url: queue for queue in self.queues}
        for message in list(self.parked.messages):
            letter = read(
                {"MessageId": message.id, "Body": message.body, "MessageAttributes": dict(message.attributes)}
            )
            if isinstance(letter.way, ToQueue):
                by_url[letter.way.url].send(letter.way.body, letter.way.group)
            else:
                self.validator.invoke_later(json.loads(letter.way.event), f"redriven {message.id}", may_be_lost=False)
            if not keep:
                self.parked.delete(message.id)

    # --- what must not be ----------------------------------------------------------------------------------------

    def _moved(self, key: Key, before: Item | None, item: Item | None) -> None:
        """Judge a write to the table: a status moves forward only, and what it says of a file is true."""
        from tickstream.status_items import is_statistics, status_from  # noqa: PLC0415 - see seams

        file_id = key[0]
        if (some := item or before) and is_statistics(some):
            self._written_once(file_id, before, item)
            return
        if item is None:
            self.violations.append(Violation("status deleted", file_id))
            return
        last = status_from(item).last
        known = status_from(before).last if before else None
        if known is not None and known.order > last.order:
            self.violations.append(Violation("status moved back", f"{file_id}: {known.order} to {last.order}"))
        if known is not None and known.sequencer == last.sequencer and known.status.value == "completed":
            self.violations.append(Violation("completed and moved on", f"{file_id}: to {last.status.value}"))
        if last.status.value == "processed" and not self._statistics_of(last):
            self.violations.append(Violation("processed without statistics", file_id))
        self._judge(file_id, last)

    def _written_once(self, name: str, before: Item | None, item: Item | None) -> None:
        if before is not None and item != before:
            self.violations.append(Violation("statistics changed", name))

    def _statistics_of(self, last: Move) -> Item | None:
        from tickstream.files import FilePointer  # noqa: PLC0415 - see seams
        from tickstream.ingests import Format, Layout  # noqa: PLC0415
        from tickstream.status_items import statistics_key  # noqa: PLC0415

        # Its layout names no statistics.
        pointer = FilePointer(last.source, last.sequencer, last.attempt, last.received_ms, Layout(Format.CSV))
        return self.table.items.get(self.table.key_of(statistics_key(pointer)))

    def _judge(self, file_id: str, last: Move) -> None:
        uploads = {upload.sequencer: upload for upload in self.uploads[file_id]}
        content = CONTENTS[uploads[last.sequencer].content]
        if last.status.value == "completed":
            totals = last.totals
            found = None if totals is None else (totals.ticks, totals.volume_e9 // 10**9)
            if found != content.totals:
                text = f"{file_id}: {found}, and its bytes have {content.totals}"
                self.violations.append(Violation("wrong totals", text))
        elif last.reason is not None and last.reason.code != "dead_lettered" and content.totals is not None:
            self.violations.append(Violation("a good file refused", f"{file_id}: {last.reason.code}"))

    def left(self) -> list[str]:
        """Return what is still to be done, in words."""
        return [
            *(f"{len(queue.messages)} in {queue.name}" for queue in self.queues if queue.messages),
            *(actor.label for actor in self.scheduler.living),
        ]

    def unfinished(self) -> list[Violation]:
        """Judge the statuses at rest: each is of the last upload, and final."""
        from tickstream.status_items import status_from  # noqa: PLC0415 - see seams

        found: list[Violation] = []
        for file_id, uploads in self.uploads.items():
            item = self.table.items.get((file_id, 0))
            last = None if item is None else status_from(item).last
            newest = max(uploads, key=lambda upload: upload.sequencer)
            wanted = "failed" if CONTENTS[newest.content].totals is None else "completed"
            if last is None or last.sequencer != newest.sequencer:
                found.append(Violation("not the last upload", f"{file_id} has the status of an older one, or none"))
            elif last.status.value != wanted or (last.reason and last.reason.code == "dead_lettered"):
                reason = "" if last.reason is None else f" ({last.reason.code})"
                text = f"{file_id} is {last.status.value}{reason} at rest, not {wanted}"
                found.append(Violation("file not finished", text))
        return found
