"""A batch of messages whose order counts within groups: what to do with it, and what to say of it.

After the first message of a group that fails, the later ones of that group must not be worked on: they would overtake
it. They are returned as failed with it. Other groups go on. Nothing is ever raised for a message: that would return
the whole batch and count one more receive for each message of each healthy group, until they too are dead letters.

What was not begun is returned too, and counts as received. It cannot be sent again instead, as ranges are
(`services.putting_back`): a copy would come after the later messages of its group, and the queue would drop it for five
minutes because it has the same text. So whoever takes long, or may die of a message, takes one at a time
(`generator.pipelines.file_processing`): then nothing is ever received that is not begun, and a death is its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_lambda_powertools import Logger

type Record = Mapping[str, Any]

#: What the log says of a record that has no name.
_UNREADABLE: Final = {"unreadable": True}


def process_in_order(
    records: Sequence[Record],
    process: Callable[[Record], None],
    names_of: Callable[[Record], Mapping[str, object]],
    logger: Logger,
    may_begin: Callable[[], bool] = lambda: True,
) -> list[str]:
    """Process the records of an SQS event; return the ids of those that must come again.

    process: works on one record; whatever it raises makes that record a failed one.
    names_of: what the log calls a record by, besides its message's id: every line says it while the record is at work.
        Nothing where nobody can read it.
    may_begin: whether there is time for one more record. The first is always begun, so there is progress whatever the
    function's timeout is.
    """
    failed: list[str] = []
    stopped: set[str] = set()
    begun = False
    for record in records:
        group = group_of_record(record)
        with logger.append_context_keys(message_id=record["messageId"], **_names(record, names_of, logger)):
            if group in stopped or (begun and not may_begin()):
                logger.warning("message put off")
                stopped.add(group)
                failed.append(record["messageId"])
                continue
            begun = True
            try:
                process(record)
            except Exception:  # a message's failure, whatever it is, is that message's alone
                # Also where nobody can read the message: it comes back until the queue moves it to the dead-letter
                # queue, where it is recorded. Deleting it here would lose it.
                logger.exception("message not processed")
                stopped.add(group)
                failed.append(record["messageId"])
    return failed


def _names(record: Record, names_of: Callable[[Record], Mapping[str, object]], logger: Logger) -> Mapping[str, object]:
    try:
        return names_of(record) or _UNREADABLE
    except Exception:  # a name that cannot be told keeps neither this record nor its neighbours from being processed
        logger.exception("no name for a message", extra={"message_id": record["messageId"], **_UNREADABLE})
        return _UNREADABLE


def group_of_record(record: Record) -> str:
    """Return the message group; a message of a standard queue is a group of its own."""
    group: str = record.get("attributes", {}).get("MessageGroupId") or record["messageId"]
    return group


def failures_answer(failed: Sequence[str]) -> dict[str, Any]:
    """Build the answer that SQS's event source mapping expects: what is named comes again, the rest is deleted."""
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
