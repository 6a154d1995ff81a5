"""Where bars of days and sessions begin and end, by hypothesis and by days that are known."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickstream.promises import INTERVALS
from tickstream.sessions.days import Day, RolledDays, Wanted
from tickstream.sessions.exchanges import TABLE, exchange_of
from tickstream.sessions.grids import Grid, SessionGrid, UtcGrid
from tickstream.sessions.spec import grid_of, hours_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROLLS = ("17:00 America/Chicago", "06:00 Europe/London", "12:00 Asia/Kathmandu", "02:30 America/New_York")
ZONES = ("America/New_York", "Europe/London", "Asia/Tokyo", "America/Sao_Paulo", "America/St_Johns", "Pacific/Apia")
EXCHANGES = ("XNYS", "XCME", "XTKS", "XHKG", "BVMF", "XKRX", "XTAE", "IEPA")
#: Minutes of 1990 to 2035, and days around changes of clocks that have been difficult.
MINUTES = st.one_of(
    st.integers(0, 46 * 365 * 1440).map(lambda minute: minute + (20 * 365 + 5) * 1440),
    st.sampled_from(["2011-12-30", "1990-10-28", "2025-03-09", "2025-11-02", "2017-10-15", "2018-02-18"]).flatmap(
        lambda day: st.integers(-2880, 2880).map(lambda more: minute_of(f"{day}T00:00:00Z") + more)
    ),
)
GRIDS = st.one_of(
    st.tuples(st.sampled_from((*ZONES, *ROLLS)), st.none()),
    st.tuples(st.sampled_from(EXCHANGES), st.sampled_from([*Wanted])),
)


def minute_of(text: str) -> int:
    """Minutes since 1970 of an ISO 8601 text."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(minutes=1)


def iso(minute: int) -> str:
    """The other way around."""
    return f"{EPOCH + timedelta(minutes=minute):%Y-%m-%dT%H:%MZ}"


def grid(session: str, hours: str | None = None, interval: str = "1d") -> Grid:
    """The grid of a question."""
    return grid_of(interval, session, hours_of(session, hours))


def bar(session: str, at: str, hours: str | None = None, interval: str = "1d") -> tuple[str, str, str] | None:
    """Session, start and end of the bar that a moment belongs to."""
    of = grid(session, hours, interval)
    start = of.start_of(minute_of(at))
    if start is None:
        return None
    return str(of.session_of(start)), iso(start), iso(of.settled(start + 1))


@given(MINUTES, st.sampled_from([1, 5, 15, 60, 240, 1440]))
def test_bars_of_utc_start_at_multiples_since_1970(minute: int, length: int) -> None:
    """Without a session nothing has changed: bars are aligned to 1970, the next one begins where one ends."""
    of = UtcGrid(length)
    start = of.start_of(minute)
    assert start % length == 0
    assert start <= minute < start + length
    assert of.settled(start) == start
    assert of.settled(start + length) == start + length
    assert of.settled(minute) == (minute if minute == start else start + length)


@settings(deadline=None, max_examples=60)
@given(
    st.one_of(st.tuples(GRIDS, st.sampled_from(["4h", "1d"])), st.tuples(st.none(), st.sampled_from([*INTERVALS]))),
    MINUTES,
    st.integers(0, 9000),
)
def test_the_bars_of_a_stretch_are_those_that_its_minutes_belong_to(
    which: tuple[tuple[str, str | None] | None, str], first: int, length: int
) -> None:
    """Each start once, in order, whether anybody asked for its minutes or not; each ends where the next may begin."""
    of_session, interval = which
    of = UtcGrid(INTERVALS[interval]) if of_session is None else grid(*of_session, interval)
    end = first + length
    starts = list(of.starts(first, end))
    belonging = {start for minute in range(first, end + 3 * 1440) if (start := of.start_of(minute)) is not None}
    assert starts == sorted(start for start in belonging if first <= start < end)
    for start in starts:
        assert of.end_of(start) == of.settled(start + 1) > start


@settings(deadline=None)
@given(GRIDS, st.sampled_from(["4h", "1d"]), MINUTES, st.integers(0, 5000), st.lists(st.integers(0, 5000), max_size=20))
def test_a_minute_belongs_to_one_bar_however_it_is_reached(
    which: tuple[str, str | None], interval: str, minute: int, before: int, more: list[int]
) -> None:
    """Bars do not overlap, start with themselves, and are the same for whoever asks, in any order."""
    of = grid(*which, interval)
    of.start_of(minute - before)
    starts = {}
    for later in (0, *more):
        starts[minute + later] = of.start_of(minute + later)
    for later, start in starts.items():
        assert grid(*which, interval).start_of(later) == start
        if start is None:
            continue
        end = of.settled(start + 1)
        assert start <= later < end
        assert of.settled(start) == start
        assert of.settled(later) in {start, end}
        assert of.session_of(start) is not None
    known = sorted({(start, of.settled(start + 1)) for start in starts.values() if start is not None})
    assert all(end <= start for (_, end), (start, _) in pairwise(known))


@settings(deadline=None)
@given(st.sampled_from((*ZONES, *ROLLS)), MINUTES)
def test_days_of_a_zone_have_every_minute(session: str, minute: int) -> None:
    """Days of zones and rolls follow each other without a gap, 22 to 26 hours long, named by neighbouring dates."""
    of = grid(session)
    start = of.start_of(minute)
    assert start is not None
    end = of.settled(start + 1)
    assert of.start_of(end) == end
    assert of.start_of(start - 1) != start
    name, following = of.session_of(start), of.session_of(end)
    assert name is not None
    assert following is not None
    # Samoa left a date out: the 29th of December 2011 is followed by the 31st.
    assert following - name == timedelta(days=2 if name == date(2011, 12, 29) and session == "Pacific/Apia" else 1)
    assert 22 * 60 <= end - start <= 26 * 60


@settings(deadline=None)
@given(st.sampled_from(EXCHANGES), st.sampled_from(["4h", "1d"]), MINUTES)
def test_regular_and_extended_hours_are_all_hours(exchange: str, interval: str, minute: int) -> None:
    """A minute of a trading day is of its regular or of its extended hours, never of both."""
    regular, extended, whole = (grid(exchange, hours, interval) for hours in ("regular", "extended", "all"))
    found = [of for of in (regular, extended) if of.start_of(minute) is not None]
    start = whole.start_of(minute)
    assert len(found) == (start is not None)
    if start is None:
        assert extended.session_of(minute) is None
    else:
        assert {of.session_of(minute) for of in found} == {whole.session_of(start)}


@pytest.mark.parametrize(
    ("session", "at", "expected"),
    [
        ("America/New_York", "2025-03-09T12:00:00Z", ("2025-03-09", "2025-03-09T05:00Z", "2025-03-10T04:00Z")),
        ("America/New_York", "2025-11-02T12:00:00Z", ("2025-11-02", "2025-11-02T04:00Z", "2025-11-03T05:00Z")),
        ("UTC", "2025-11-02T23:59:00Z", ("2025-11-02", "2025-11-02T00:00Z", "2025-11-03T00:00Z")),
        # At midnight clocks went from 00:00 to 01:00.
        ("America/Sao_Paulo", "2017-10-15T12:00:00Z", ("2017-10-15", "2017-10-15T03:00Z", "2017-10-16T02:00Z")),
        # From noon on a roll ends the day that it names ...
        ("17:00 America/Chicago", "2025-11-27T23:00:00Z", ("2025-11-28", "2025-11-27T23:00Z", "2025-11-28T23:00Z")),
        ("17:00 America/Chicago", "2025-11-02T12:00:00Z", ("2025-11-02", "2025-11-01T22:00Z", "2025-11-02T23:00Z")),
        ("12:00 UTC", "2025-11-27T12:00:00Z", ("2025-11-28", "2025-11-27T12:00Z", "2025-11-28T12:00Z")),
        # ... and before noon it begins it.
        ("11:59 UTC", "2025-11-27T12:00:00Z", ("2025-11-27", "2025-11-27T11:59Z", "2025-11-28T11:59Z")),
        ("06:00 Europe/London", "2025-06-02T04:59:00Z", ("2025-06-01", "2025-06-01T05:00Z", "2025-06-02T05:00Z")),
        # 02:30 came never on the one day and twice on the other.
        ("02:30 America/New_York", "2025-03-09T07:30:00Z", ("2025-03-09", "2025-03-09T07:30Z", "2025-03-10T06:30Z")),
        ("01:30 America/New_York", "2025-11-02T06:29:00Z", ("2025-11-02", "2025-11-02T05:30Z", "2025-11-03T06:30Z")),
    ],
)
def test_a_day_is_between_two_moments_of_the_wall_clock(session: str, at: str, expected: tuple[str, str, str]) -> None:
    """Days with changes of clocks are 23 or 25 hours long, by no rule of their own."""
    assert bar(session, at) == expected


@pytest.mark.parametrize(
    ("session", "at", "hours", "expected"),
    [
        ("XNYS", "2025-11-28T14:30:00Z", "regular", ("2025-11-28", "2025-11-28T14:30Z", "2025-11-28T18:00Z")),
        ("XNYS", "2025-11-28T18:00:00Z", "regular", None),
        ("XNYS", "2025-11-28T18:00:00Z", "extended", ("2025-11-28", "2025-11-28T05:00Z", "2025-11-29T05:00Z")),
        ("XNYS", "2025-11-28T17:59:00Z", "extended", None),
        ("XNAS", "2025-11-28T17:59:00Z", "all", ("2025-11-28", "2025-11-28T05:00Z", "2025-11-29T05:00Z")),
        ("XNYS", "2025-11-27T15:00:00Z", "all", None),  # Thanksgiving
        ("XNYS", "2025-12-25T15:00:00Z", "all", None),
        ("XCME", "2025-11-23T23:00:00Z", "regular", ("2025-11-24", "2025-11-23T23:00Z", "2025-11-24T23:00Z")),
        ("XCME", "2025-11-22T12:00:00Z", "regular", None),  # a Saturday
        ("XCME", "2025-11-22T12:00:00Z", "extended", ("2025-11-24", "2025-11-21T23:00Z", "2025-11-24T23:00Z")),
        ("XTKS", "2025-11-27T02:29:00Z", "regular", ("2025-11-27", "2025-11-27T00:00Z", "2025-11-27T06:30Z")),
        ("XTKS", "2025-11-27T02:30:00Z", "regular", None),
        ("XTKS", "2025-11-27T02:30:00Z", "extended", ("2025-11-27", "2025-11-26T15:00Z", "2025-11-27T15:00Z")),
        ("XTKS", "2025-11-27T03:30:00Z", "regular", ("2025-11-27", "2025-11-27T00:00Z", "2025-11-27T06:30Z")),
        # A Sunday on which clocks went back: a trading day of 25 hours.
        ("XTAE", "2025-10-26T21:30:00Z", "all", ("2025-10-26", "2025-10-25T21:00Z", "2025-10-26T22:00Z")),
        ("BVMF", "2025-11-28T13:00:00Z", None, ("2025-11-28", "2025-11-28T13:00Z", "2025-11-28T21:00Z")),
    ],
)
def test_a_session_has_the_minutes_between_open_and_close(
    session: str, at: str, hours: str | None, expected: tuple[str, str, str] | None
) -> None:
    """Early closes, holidays, lunch breaks and evening begins, in regular and in extended hours."""
    assert bar(session, at, hours) == expected


@pytest.mark.parametrize(
    ("session", "at", "expected"),
    [
        ("XNYS", "2025-11-28T17:59:00Z", ("2025-11-28", "2025-11-28T14:30Z", "2025-11-28T18:00Z")),
        ("XNYS", "2025-11-26T20:59:00Z", ("2025-11-26", "2025-11-26T18:30Z", "2025-11-26T21:00Z")),
        ("America/New_York", "2025-03-10T03:59:00Z", ("2025-03-09", "2025-03-10T01:00Z", "2025-03-10T04:00Z")),
        ("America/New_York", "2025-11-03T04:59:00Z", ("2025-11-02", "2025-11-03T04:00Z", "2025-11-03T05:00Z")),
    ],
)
def test_the_last_bar_of_a_session_is_cut_short(session: str, at: str, expected: tuple[str, str, str]) -> None:
    """Bars of 4 hours are counted from the session's start, in time that went by."""
    assert bar(session, at, interval="4h") == expected


def test_every_zone_can_be_named() -> None:
    """No IANA name is refused for its letters, and none has offsets of parts of a minute since 1990."""
    for name in sorted(available_timezones()):
        if name[0].isupper():
            of = grid(name)
            start = of.start_of(minute_of("1995-06-01T12:00:00Z"))
            assert start is not None
            local = (EPOCH + timedelta(minutes=start)).astimezone(ZoneInfo(name))
            assert (local.hour, local.minute, local.second) == (0, 0, 0)


class CountingDays(RolledDays):
    """Days that count how often they are asked for."""

    asked = 0

    def ending_after(self, minute: int) -> Day:
        """See Days."""
        type(self).asked += 1
        return super().ending_after(minute)


def test_a_question_of_a_century_builds_no_days_before_it_reads() -> None:
    """The ends of a window cost a day each, however far apart they are, and the minutes of one day that day once."""
    of = SessionGrid(CountingDays(ZoneInfo("America/New_York")), 240)
    first, last = of.settled(minute_of("1990-01-01T00:00:00Z")), of.settled(minute_of("2099-12-31T12:00:00Z"))
    assert last - first > 109 * 365 * 1440
    assert CountingDays.asked == 2
    assert {of.start_of(minute) for minute in range(last, last + 240)} == {last}
    assert CountingDays.asked == 2


def test_every_exchange_of_the_table_can_be_asked_for() -> None:
    """By its MIC and by every alias: its sessions are known for some years around today."""
    table = json.loads(TABLE.read_bytes())
    for name in (*table["exchanges"], *table["aliases"]):
        known = grid(name).known
        assert known is not None
        assert known[0] < minute_of("2022-01-01T00:00:00Z")
        assert known[1] > minute_of("2026-12-31T00:00:00Z")
    assert {"XNYS", "XNAS", "XCME", "XTKS", "BVMF", "XLON", "XHKG"} <= {*table["exchanges"], *table["aliases"]}


def test_an_unknown_exchange_is_none() -> None:
    """What the table does not have is not guessed."""
    assert exchange_of("XXXX") is None
    assert exchange_of("") is None
