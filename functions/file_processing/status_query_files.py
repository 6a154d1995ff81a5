"""What became of files: `GET /files`, by key, by state, or all of some time, the newest first.

A file is its last upload. By its key there is one, or none; lists are read by the index of the status table
(`tickstream.status_items`), and each file that they lead to from the table itself.
"""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING, Any, Final

from tickstream.arrival_lists import Lists, walk
from tickstream.file_status import RETENTION_SECONDS, Status
from tickstream.keys import MS_PER_DAY, activity_sort_key
from tickstream.list_questions import question_of, stretch_of, token_of
from tickstream.status_items import file_fields, shards_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from services.status_table import StatusTable
    from tickstream.arrival_lists import Placed
    from tickstream.file_status import FileStatus
    from tickstream.list_questions import ListQuestion

_KEPT_MS: Final = RETENTION_SECONDS * 1000
#: Statuses that are read side by side.
_READ_AT_A_TIME: Final = 25


def listed_files(
    statuses: StatusTable,
    parameters: Mapping[str, list[str]],
    bucket: str,
    now_ms: int,
    time_is_up: Callable[[], bool],
) -> dict[str, Any]:
    """Return the answer's fields: one page. bucket: the stack's own. Raises BadRequest."""
    asked = question_of(parameters, bucket, tuple(Status), now_ms, _KEPT_MS)
    if asked.key is not None:
        found = statuses.get(f"{asked.bucket}/{asked.key}")
        return {"files": [file_fields(found)] if found is not None and _is_wanted(found, asked) else []}
    files, next_below = _page(statuses, asked, time_is_up)
    fields: dict[str, Any] = {"files": [_briefly(one) for one in files]}
    if next_below is not None:
        fields["nextToken"] = token_of(asked, next_below)
    return fields


def _briefly(status: FileStatus) -> dict[str, Any]:
    """Return what a list tells of a file: not its first bad rows, whose sentences may be longer than all the rest."""
    return {name: value for name, value in file_fields(status).items() if name != "badRows"}


def _page(
    statuses: StatusTable, asked: ListQuestion, time_is_up: Callable[[], bool]
) -> tuple[list[FileStatus], int | None]:
    """Return the files of one page, and below what place the next one goes on, if any."""
    stretch = stretch_of(asked)

    def read_each(shards: tuple[str, ...], of_each: int, first: int, last: int) -> list[Placed]:
        return statuses.list_each(shards, of_each, first, last)

    found: list[FileStatus] = []
    for entries, reached in walk(read_each, _lists_of(asked), stretch, asked.limit):
        for some in batched(entries, min(asked.limit, _READ_AT_A_TIME), strict=False):
            known = statuses.get_each([entry.name for entry in some])
            for entry, status in zip(some, known, strict=True):
                # The index lags: of a file that was uploaded again since, this is an entry of before.
                if status is not None and _place_of(status) == entry.place and _is_wanted(status, asked):
                    found.append(status)
                if len(found) == asked.limit:
                    return found, entry.place
            if time_is_up():
                return found, some[-1].place
        if time_is_up() and reached > stretch.first:
            return found, reached
    return found, None


def _lists_of(asked: ListQuestion) -> Lists:
    """Return the lists in which the files of a state are: failed ones are not looked for among the others."""
    if asked.state is None:
        return Lists(MS_PER_DAY, lambda day: shards_of(day, failed=False) + shards_of(day, failed=True))
    failed = asked.state == Status.FAILED
    return Lists(MS_PER_DAY, lambda day: shards_of(day, failed=failed))


def _is_wanted(status: FileStatus, asked: ListQuestion) -> bool:
    within = asked.from_ms <= status.last.received_ms < asked.to_ms
    return within and asked.state in {None, status.last.status.value}


def _place_of(status: FileStatus) -> int:
    return activity_sort_key(status.last.received_ms, status.file_id)
