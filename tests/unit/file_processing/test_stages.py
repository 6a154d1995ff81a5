"""Files through all stages in memory: results, refusals, and deaths at every write."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.emulator.dynamodb.table import wire_size_bytes
from file_processing import data_processor_files
from tickstream.errors import MalformedItem, ServiceIncomplete
from tickstream.file_status import Outcome, Status
from tickstream.files import decode_pointer, encode_pointer, redriven
from tickstream.status_items import status_item
from tickstream.symbol_statistics import pack_statistics, unpack_statistics

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "feeds/2026/nyse trades%201.csv"
TICKS = (("AAPL", 0, "10.5", "2"), ("AAPL", 61, "11", "0.000000001"), ("BRK.B", 5, "700", "1"))


def test_f07_a_good_file_goes_through_all_stages(world: Any, csv_file: Any) -> None:
    """It ends `completed`, the stages were entered in order, and the totals are exact."""
    status = world.run(world.upload(KEY, csv_file(*TICKS)))
    assert status.last.status is Status.COMPLETED
    assert [entry.split(" at ")[0] for entry in status.history] == ["validator", "processor", "aggregator"]
    totals = status.last.totals
    assert (totals.ticks, totals.rejected, totals.symbols, totals.bars) == (3, 0, 2, 3)
    assert totals.volume_e9 == 3_000_000_001
    assert totals.notional_e18 == 21 * 10**18 + 11 * 10**9 + 700 * 10**18
    assert status.last.source.key == KEY


def test_f11_bad_rows_are_shown_and_counted(world: Any, csv_file: Any) -> None:
    """The first ten bad rows come with offset and reason, all of them are counted, the good ones are processed."""
    content = csv_file(*TICKS) + b"AAPL,1,1,1\n" * 12
    status = world.run(world.upload(KEY, content))
    assert status.last.status is Status.COMPLETED
    assert (status.last.totals.ticks, status.last.rejected) == (3, 12)
    assert len(status.last.bad_rows) == 10
    first = status.last.bad_rows[0]
    assert content[first.offset :].startswith(b"AAPL,1,1,1\n")
    assert first.reason == "timestamp_out_of_range"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02 nothing that is known", "unknown_format"),
        (b"symbol,price\nAAPL,1\n", "missing_column"),
        (b"symbol,timestamp,price,size\nAAPL,1,1,1\n,,,\n", "no_valid_row"),
        (b"\x1f\x8b not really", "corrupt_gzip"),
        (b"symbol,timestamp,price,size\n" + b"x" * 300, "too_large"),
    ],
)
def test_f11_the_validator_refuses_with_a_reason(world: Any, content: bytes, code: str) -> None:
    """A file that cannot be processed is `failed` by the validator, and nothing is sent."""
    world.max_file_bytes = 200
    record = world.upload(KEY, content)
    world.validate(record)
    status = world.status(KEY)
    assert (status.last.status, status.last.stage, status.last.reason.code) == (Status.FAILED, "validator", code)
    assert status.history[0].startswith("validator failed at ")
    assert world.to_processor == []


def test_the_validator_shows_the_bad_rows_of_a_file_that_it_refuses(world: Any) -> None:
    """A file without a good row says which rows are bad."""
    world.validate(world.upload(KEY, b"symbol,timestamp,price,size\nAAPL,1,1,1\n,,,\n"))
    assert [row.reason for row in world.status(KEY).last.bad_rows] == ["timestamp_out_of_range", "missing_field"]


def test_an_object_that_is_gone_fails_at_the_stage_that_misses_it(world: Any, csv_file: Any) -> None:
    """A version deleted before a stage could read it is a result with a reason, not an endless retry."""
    world.validate(world.upload(KEY, csv_file(*TICKS)))
    world.objects.clear()
    world.process(world.to_processor.pop())
    assert world.status(KEY).last.reason.code == "object_gone"
    assert world.status(KEY).last.stage == "processor"
    assert world.to_aggregator == []
    world.validate(world.upload(KEY, csv_file(*TICKS), 2))
    world.objects.clear()
    record = world.upload(KEY, csv_file(*TICKS), 3)
    world.objects.clear()
    world.validate(record)
    assert (world.status(KEY).last.stage, world.status(KEY).last.reason.code) == ("validator", "object_gone")


def test_too_many_symbols_are_refused(world: Any, csv_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with more symbols than one status can hold is `failed` and says so."""
    monkeypatch.setattr("file_processing.data_processor_files.MAX_SYMBOLS", 1)
    status = world.run(world.upload(KEY, csv_file(*TICKS)))
    assert (status.last.status, status.last.reason.code) == (Status.FAILED, "too_many_symbols")


def test_statistics_that_no_item_holds_are_refused(world: Any, csv_file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics beyond what an item takes are a refusal, not a write that fails for ever."""
    monkeypatch.setattr("file_processing.data_processor_files.MAX_STATISTICS_BYTES", 50)
    status = world.run(world.upload(KEY, csv_file(*TICKS)))
    assert (status.last.status, status.last.reason.code) == (Status.FAILED, "too_many_symbols")


def test_a_file_that_takes_too_long_is_tried_again(world: Any, csv_file: Any) -> None:
    """Without time left nothing is written or sent, and the message comes again."""
    world.validate(world.upload(KEY, csv_file(*TICKS)))
    body = world.to_processor.pop()
    world.in_time = False
    with pytest.raises(ServiceIncomplete, match="no time left"):
        world.process(body)
    assert world.status(KEY).last.status is Status.VALIDATED
    world.in_time = True
    assert world.process(body).sent


def test_a_file_that_costs_too_much_fails_by_that_name(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is that of the whole file, however it is cut, and too much of it is no reason to come again."""
    limits = replace(data_processor_files.LIMITS, strict_work=500_000)
    monkeypatch.setattr(data_processor_files, "LIMITS", limits)
    content = b"c,symbol,timestamp,price,size\n" + b'a"b,A,1767623400000000000,1,2\n' * 10_000
    world.validate(world.upload(KEY, content))
    assert not world.process(world.to_processor.pop(), span_bytes=64 << 10).sent
    status = world.status(KEY)
    assert (status.last.status, status.last.reason.code) == (Status.FAILED, "too_much_work")


@pytest.mark.parametrize("point", range(6))
@pytest.mark.parametrize("side", ["before_effect", "after_effect"])
def test_death_at_any_write_changes_nothing_in_the_end(
    make_world: Callable[[], Any], csv_file: Any, died: type[Exception], point: int, side: str
) -> None:
    """Delivered again after a death around any of the six writes and sends, the status ends equal, history too."""
    content = csv_file(*TICKS) + b"bad\n"
    calm, deadly = make_world(), make_world()
    expected = calm.run(calm.upload(KEY, content))
    seen: list[str] = []

    def die(effect: str) -> None:
        seen.append(effect)
        if len(seen) == point + 1:
            raise died

    setattr(deadly, side, die)
    assert deadly.run(deadly.upload(KEY, content)) == expected
    assert len(seen) >= 6


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_messages_of_two_uploads_in_any_order_and_number(
    make_world: Callable[[], Any], csv_file: Any, data: st.DataObject
) -> None:
    """However events and messages of two versions are repeated and mixed, the file ends as its later version says."""
    world = make_world()
    records = [world.upload(KEY, csv_file(*TICKS), 1), world.upload(KEY, csv_file(TICKS[2]), 2)]
    sent: dict[str, list[str]] = {"processor": [], "aggregator": []}
    for _ in range(data.draw(st.integers(0, 12))):
        stage = data.draw(st.sampled_from(["validator", *(name for name, bodies in sent.items() if bodies)]))
        if stage == "validator":
            world.validate(data.draw(st.sampled_from(records)))
        elif stage == "processor":
            world.process(data.draw(st.sampled_from(sent["processor"])))
        else:
            world.complete(data.draw(st.sampled_from(sent["aggregator"])))
        sent = {
            "processor": list(dict.fromkeys(world.to_processor)),
            "aggregator": [*dict.fromkeys(world.to_aggregator)],
        }
    for record in records:
        world.validate(record)
    for body in list(dict.fromkeys(world.to_processor)):
        world.process(body)
    for body in list(dict.fromkeys(world.to_aggregator)):
        world.complete(body)
    status = world.status(KEY)
    assert status.last.status is Status.COMPLETED
    assert status.last.source.version_id == "version-2"
    assert status.last.totals.ticks == 1
    assert [entry.split(" at ")[0] for entry in status.history] == ["validator", "processor", "aggregator"]


def test_a_file_uploaded_again_with_the_same_bytes_sends_another_message(world: Any, csv_file: Any) -> None:
    """Content-based deduplication must not swallow it: the message of the new version differs, and it completes."""
    content = csv_file(*TICKS)
    world.validate(world.upload(KEY, content, 1))
    (first,) = world.to_processor
    world.run(world.upload(KEY, content, 1))
    status = world.run(world.upload(KEY, content, 2))
    assert decode_pointer(first).source.version_id == "version-1"
    assert status.last.source.version_id == "version-2"
    assert status.last.status is Status.COMPLETED


def test_an_old_message_costs_nothing(world: Any, csv_file: Any) -> None:
    """A message of an older upload is stale before anything is read."""
    world.validate(world.upload(KEY, csv_file(*TICKS), 1))
    old = world.to_processor.pop()
    world.run(world.upload(KEY, csv_file(*TICKS), 2))
    world.objects.clear()
    processed = world.process(old)
    assert (processed.outcome, processed.sent) == (Outcome.STALE, False)
    assert world.status(KEY).last.status is Status.COMPLETED


def test_a_redrive_is_another_message_and_another_attempt(world: Any, csv_file: Any) -> None:
    """The body of a redrive differs in its attempt alone and is the same each time."""
    world.validate(world.upload(KEY, csv_file(*TICKS)))
    pointer = decode_pointer(world.to_processor.pop())
    again = redriven(pointer)
    assert encode_pointer(again) != encode_pointer(pointer)
    assert encode_pointer(again) == encode_pointer(redriven(pointer))
    assert (again.attempt, again.source) == (1, pointer.source)


def test_totals_need_the_statistics_of_the_same_upload(world: Any, csv_file: Any) -> None:
    """A message whose statistics are not on record fails loudly: it ends in the dead-letter queue, not in zeros."""
    world.validate(world.upload(KEY, csv_file(*TICKS)))
    body = world.to_processor.pop()
    with pytest.raises(MalformedItem, match="no statistics"):
        world.complete(body)
    world.statuses.put_statistics(decode_pointer(body), pack_statistics([]))
    with pytest.raises(MalformedItem, match="no statistics"):  # nor before the processor's own move is on record
        world.complete(body)


def test_a12_what_a_status_weighs_does_not_grow_with_a_files_symbols(world: Any, csv_file: Any) -> None:
    """Statistics are written once, beside the status: each move of a file of 500 symbols takes one write unit."""
    content = csv_file(*((f"SYM{number}", number, "10.5", "2") for number in range(500)))
    world.validate(world.upload(KEY, content))
    (body,) = world.to_processor
    pointer = decode_pointer(body)
    written: list[str] = []
    world.before_effect = written.append
    world.process(body, 1 << 20)
    assert written == ["statistics", "status", "send to aggregator"]
    assert len(unpack_statistics(world.statuses.get_statistics(pointer))) == 500
    (body,) = world.to_aggregator
    world.complete(body)
    assert written[3:] == ["status"]
    assert wire_size_bytes(status_item(world.status(KEY))) <= 1024
    assert world.status(KEY).last.totals.symbols == 500


def test_a12_statistics_belong_to_an_upload_and_not_to_a_file_or_an_attempt(world: Any, csv_file: Any) -> None:
    """Another attempt finds them, another upload does not: its totals are of its own bytes."""
    world.validate(world.upload(KEY, csv_file(*TICKS), 1))
    first = world.to_processor.pop()
    world.validate(world.upload(KEY, csv_file(*TICKS[:1]), 2))
    second = world.to_processor.pop()
    world.process(second)
    assert world.statuses.get_statistics(decode_pointer(first)) is None
    assert world.statuses.get_statistics(redriven(decode_pointer(second))) is not None


def test_a_file_with_a_header_alone_completes_empty(world: Any, csv_file: Any) -> None:
    """No rows are no fault: the totals are zero and there is no first tick."""
    status = world.run(world.upload(KEY, csv_file()))
    assert status.last.status is Status.COMPLETED
    assert (status.last.totals.ticks, status.last.totals.first_ns) == (0, None)


def test_m26_what_is_taken_back_in_a_file_is_in_no_total(world: Any) -> None:
    """A trade and the row that takes it back, in different pieces of the file, count for nothing; the rest does."""
    rows = ((b"TRADE", 200, b"1"), (b"TRADE", 101, b"1"), (b"TRADE CANCELLED", 200, b"1"), (b"TRADE", 102, b"4000000"))
    content = b"Date,Timestamp,EventType,Ticker,Price,Quantity,Exchange,Conditions\n" + b"".join(
        b"20260105,09:30:0%d,%s,A,%d,10,N,%s\n" % (at, kind, price, flags)
        for at, (kind, price, flags) in enumerate(rows)
    )
    world.max_file_bytes = len(content)
    status = world.run(world.upload(KEY, content))
    assert status.last.status is Status.COMPLETED
    totals = status.last.totals
    assert (totals.ticks, totals.volume_e9, totals.notional_e18) == (2, 10 * 10**9, 1010 * 10**18)
