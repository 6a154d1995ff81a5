"""result-aggregator: the handler behind the second FIFO queue, the last stage of a file.

One write, the status `completed` with the totals of the statistics that the processor left. Died before it: the message
comes back. Died after it: the next delivery finds its own move in the table and does nothing. There is nobody to hand
the file on to.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from aws_lambda_powertools import Logger

from services import settings
from services.log_lines import one_line
from services.ordered_batches import failures_answer, process_in_order
from services.status_table import DynamoStatusTable, make_move
from tickstream.errors import MalformedItem
from tickstream.file_status import Outcome, Stage, Status, move_of, outcome_of
from tickstream.files import decode_pointer, names_in
from tickstream.symbol_statistics import totals_of, unpack_statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from services.ordered_batches import Record
    from services.status_table import StatusTable
    from tickstream.file_status import Move
    from tickstream.files import FilePointer
    from tickstream.symbol_statistics import Totals

logger = Logger(json_serializer=one_line)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deployment decides."""

    table_name: str

    @classmethod
    def from_env(cls) -> Self:
        """Read the environment. Raises ConfigurationError, naming the variable."""
        return cls(table_name=settings.text("TABLE_NAME"))


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Complete the files of a batch of pointers; return `batchItemFailures`."""
    statuses = DynamoStatusTable(Settings.from_env().table_name)
    failed = process_in_order(
        event["Records"],
        lambda record: _complete(record, statuses),
        lambda record: names_in(record["body"]),
        logger,
    )
    return failures_answer(failed)


def _complete(record: Record, statuses: StatusTable) -> None:
    pointer = decode_pointer(record["body"])
    outcome = complete_file(pointer, statuses, lambda: time.time_ns() // 10**6)
    logger.info(
        "file completed" if outcome is Outcome.ACCEPTED else "message is behind: nothing to do",
        extra={
            "version": pointer.source.version_id,
            "attempt": pointer.attempt,
            "outcome": outcome.value,
        },
    )


def complete_file(pointer: FilePointer, statuses: StatusTable, now_ms: Callable[[], int]) -> Outcome:
    """Add up a file's statistics and put its totals on record.

    Raises MalformedItem where there are no statistics (somebody deleted them, or the status), ServiceIncomplete and
    ServiceRefused; the same message again tries again.
    """
    stored = statuses.get(pointer.file_id)
    outcome = outcome_of(stored, _move(pointer, None, now_ms()))
    if outcome is not Outcome.ACCEPTED:
        return outcome
    last = None if stored is None else stored.last
    packed = statuses.get_statistics(pointer)
    # How many rows were rejected is on record from the move to `processed` on, and the statistics from before it.
    if last is None or last.sequencer != pointer.sequencer or last.rejected is None or packed is None:
        raise MalformedItem(f"{pointer.file_id} has no statistics of version {pointer.source.version_id}")
    # Statistics belong to the upload, so whoever writes in between cannot make these wrong: another upload's move
    # makes this one stale, and another attempt at this upload has the same.
    totals = totals_of(unpack_statistics(packed), last.rejected)
    return make_move(statuses, pointer.file_id, _move(pointer, totals, now_ms()))


def _move(pointer: FilePointer, totals: Totals | None, at_ms: int) -> Move:
    return replace(move_of(pointer, Stage.AGGREGATOR, Status.COMPLETED, at_ms), totals=totals)
