from __future__ import annotations

from dataclasses import replace

import pytest

from bench.file_processing.completion import FileProgress, wait_until_at_rest
from bench.file_processing.table_reader import file_ids_of
from bench.ledger.waiting import Clock

REST = FileProgress(3, 0, 0, 2, 1, 0, 0, 0, 1)


class Looks:
    """A stack whose looks are given; the last one goes on for ever."""

    def __init__(self, *looks: FileProgress) -> None:
        self._looks = list(looks)
        self.backwards: list[str] = []
        self.taken = 0

    def look(self) -> FileProgress:
        """Return the next look."""
        self.taken += 1
        return self._looks[min(self.taken, len(self._looks)) - 1]


def _clock() -> Clock:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return Clock(lambda: now[0], sleep)


def test_waiting_ends_when_every_file_is_at_rest() -> None:
    """Completed or failed, with nothing left in any queue that somebody works on."""
    looks = Looks(replace(REST, completed=1, processed=1), replace(REST, in_flight=1), REST)
    rest = wait_until_at_rest(looks, lambda _: None, is_sending=lambda: False, stall_s=60, clock=_clock())
    assert rest.complete
    assert looks.taken == 3


@pytest.mark.parametrize(
    "stuck",
    [
        replace(REST, completed=1),
        replace(REST, completed=1, validated=1),
        replace(REST, completed=1, processed=1),
        replace(REST, queued=1),
        replace(REST, in_flight=1),
        replace(REST, dead_letters=1),
    ],
)
def test_a_stall_is_proven_and_explained(stuck: FileProgress) -> None:
    """A file that never gets there, or a message that nobody takes, ends the waiting as not at rest."""
    rest = wait_until_at_rest(Looks(stuck), lambda _: None, is_sending=lambda: False, stall_s=20, clock=_clock())
    assert not rest.complete
    assert "nothing moved for 2" in rest.explanation


def test_nothing_is_at_rest_while_files_are_still_sent() -> None:
    """What has been sent so far may be done; the rest is not."""
    sending = iter([True, True, False])
    looks = Looks(REST, REST, replace(REST, completed=3, acknowledged=4))
    rest = wait_until_at_rest(looks, lambda _: None, is_sending=lambda: next(sending), stall_s=20, clock=_clock())
    assert looks.taken == 3
    assert rest.complete


def test_what_was_seen_to_go_back_is_part_of_the_end() -> None:
    """The waiting hands on what it saw."""
    looks = Looks(REST)
    looks.backwards.append("bucket/x: from 3 to 1")
    rest = wait_until_at_rest(looks, lambda _: None, is_sending=lambda: False, stall_s=1, clock=_clock())
    assert rest.backwards == ("bucket/x: from 3 to 1",)


@pytest.mark.parametrize(
    ("body", "file_ids"),
    [
        ('{"fileId": "bucket/a b"}', ("bucket/a b",)),
        ('{"Records": [{"s3": {"bucket": {"name": "bucket"}, "object": {"key": "a+b%2520"}}}]}', ("bucket/a b%20",)),
        ("poison", ()),
        ("[]", ()),
        ("{}", ()),
    ],
)
def test_a_message_names_its_files(body: str, file_ids: tuple[str, ...]) -> None:
    """The pipeline's own message, an event of S3 with its encoded key, and what nobody can read."""
    assert file_ids_of(body) == file_ids
