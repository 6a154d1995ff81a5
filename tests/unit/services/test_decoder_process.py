"""Parquet in a process of its own: whatever a file does to it is that file's result, and the next is read right."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from bench.market_analytics.hostile_objects import deadly_parquet
from services.deadlines import Deadline
from services.decoder_child import Job
from services.decoder_process import DecoderProcess, decode_apart, decode_pieces_apart, memory_bytes_of_child
from tests.unit.tickstream.parquet_bytes import claiming_page, with_chunk
from tests.unit.tickstream.test_parquet_objects import GOOD, START_NS, packed
from tickstream.decoding import LIMITS, Budget, Decoded, decode_pieces, decode_span, packed_hours
from tickstream.decoding.outcome import STRICT_ROW_BYTES
from tickstream.errors import ObjectRejected, Reason, ServiceIncomplete
from tickstream.ingests import Format, Layout, Source, Span
from tickstream.ranges import plan_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tickstream.decoding import Limits
    from tickstream.ingests import Read

LAYOUT = Layout(Format.PARQUET)
DATA = packed(pl.concat([GOOD] * 100), 40)
#: One bit flipped: polars allocates 2^61 bytes of it, and aborts.
DEADLY = deadly_parquet(packed(GOOD))
GREEDY = with_chunk(packed(GOOD), "symbol", claiming_page(2**31 - 1))


@pytest.fixture
def decoder() -> Iterator[DecoderProcess]:
    """A child as data-processor's, which has 512 MB."""
    process = DecoderProcess(memory_bytes_of_child(512))
    yield process
    process.end()


def patient() -> Deadline:
    """A deadline that no test reaches."""
    return Deadline.after(600)


def reading(data: bytes) -> Read:
    """Read an object."""
    return lambda start, end: data[start:end]


def spans_of(data: bytes) -> tuple[Source, tuple[Span, ...]]:
    """An object and its ranges."""
    source = Source("bucket", "key", "v1", "etag", len(data))
    return source, plan_spans(source, LAYOUT, 1, reading(data))


def decode(
    decoder: DecoderProcess, data: bytes, read: Read | None = None, limits: Limits = LIMITS, *, whole: bool = True
) -> list[Decoded]:
    """All pieces of the object's ranges."""
    source, spans = spans_of(data)
    budget = Budget(limits)
    read = read or reading(data)
    return [
        piece
        for span in spans
        for piece in decoder.decode(Job(source, LAYOUT, span, budget.left, whole), read, patient(), budget)
    ]


def test_the_child_decodes_what_this_process_would(decoder: DecoderProcess) -> None:
    """Bars, packed or not, ticks and rejected rows are the same, in one piece and in many; one child does it all."""
    bad = pl.concat([GOOD, GOOD.with_columns(symbol=pl.lit("bad one"), size=pl.lit(0, pl.Int64))] * 20)
    limits = replace(LIMITS, parquet_rows=7)
    pids = set()
    for data in (DATA, packed(bad, 11)):
        source, spans = spans_of(data)
        for whole, here in ((True, decode_span), (False, decode_pieces)):
            expected: list[Decoded] = []
            for span in spans:
                found = here(source, LAYOUT, span, reading(data), limits)
                expected += [found] if isinstance(found, Decoded) else found
            apart = decode(decoder, data, limits=limits, whole=whole)
            pids.add(decoder.pid)
            assert [(one.ticks, one.rejects) for one in apart] == [(one.ticks, one.rejects) for one in expected]
            assert [dict(one.bars) for one in apart] == [dict(one.bars) for one in expected]
            assert [dict(packed_hours(one.bars)) for one in apart] == [dict(packed_hours(one.bars)) for one in expected]
    assert len(pids) == 1


def test_a_file_that_ends_the_child_is_corrupt_and_the_next_is_read(decoder: DecoderProcess) -> None:
    """A flipped bit, or 2 GiB that a page claims, abort the child; the file is refused, a new child reads the next."""
    for data in (DATA, DEADLY, GREEDY, DATA):
        if data is DATA:
            assert sum(piece.ticks for piece in decode(decoder, data)) == 300
        else:
            with pytest.raises(ObjectRejected) as refusal:
                decode(decoder, data)
            assert refusal.value.reason is Reason.CORRUPT_PARQUET
            assert decoder.pid is None


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGXCPU, signal.SIGILL, signal.SIGBUS])
def test_what_a_process_gets_for_its_own_doing_is_the_file_s_fault(
    decoder: DecoderProcess, number: signal.Signals
) -> None:
    """An abort, a fault, or CPU time without end, of a child that had read nothing else."""
    with pytest.raises(ObjectRejected) as refusal:
        decode(decoder, DATA, killing(decoder, number))
    assert refusal.value.reason is Reason.CORRUPT_PARQUET
    assert number.name in refusal.value.detail
    assert decode(decoder, DATA)


def test_who_is_ended_by_others_says_nothing_of_the_file(decoder: DecoderProcess) -> None:
    """A child that is killed, and one whose time is over, come again; so does what could not be read."""
    with pytest.raises(ServiceIncomplete, match="SIGKILL"):
        decode(decoder, DATA, killing(decoder, signal.SIGKILL))
    source, (span, *_) = spans_of(DATA)
    job = Job(source, LAYOUT, span, LIMITS, whole=True)
    with pytest.raises(ServiceIncomplete, match="no time left"):
        list(decoder.decode(job, lambda start, end: DATA[start:end], Deadline.after(0), Budget(LIMITS)))
    with pytest.raises(ServiceIncomplete, match="bytes came"):
        decode(decoder, DATA, lambda _start, _end: b"")

    def gone(start: int, end: int) -> bytes:
        raise ObjectRejected(Reason.OBJECT_GONE, f"[{start}, {end})")

    with pytest.raises(ObjectRejected, match="object_gone"):
        decode(decoder, DATA, gone)
    assert decode(decoder, DATA)


def test_a_death_is_decided_by_a_new_child(decoder: DecoderProcess) -> None:
    """What an old child dies of may be what it had read before: a new one reads the file; pieces come once."""
    limits = replace(LIMITS, parquet_rows=7)
    source, (span, *_) = spans_of(DATA)
    decode(decoder, DATA)
    old, killed = decoder.pid, list[int]()

    def read(start: int, end: int) -> bytes:
        return DATA[start:end]

    budget = Budget(limits)
    pieces = []
    for piece in decoder.decode(Job(source, LAYOUT, span, limits, whole=False), read, patient(), budget):
        pieces.append(piece)
        if len(pieces) == 2 and old is not None and not killed:
            killed.append(old)
            os.kill(old, signal.SIGABRT)
            os.waitid(os.P_PID, old, os.WEXITED | os.WNOWAIT)
    assert killed == [old]
    expected = list(decode_pieces(source, LAYOUT, span, read, limits))
    assert [dict(piece.bars) for piece in pieces] == [dict(piece.bars) for piece in expected]


def test_the_budget_is_the_object_s(decoder: DecoderProcess) -> None:
    """What a child spends is taken from what the object may cost, and what is left is all that the next range has."""
    bad = packed(pl.concat([GOOD.with_columns(symbol=pl.lit("b d"))] * 20), 30)
    source, spans = spans_of(bad)
    budget = Budget(LIMITS)
    for number, span in enumerate(spans, 1):
        job = Job(source, LAYOUT, span, budget.left, whole=True)
        [piece] = decoder.decode(job, reading(bad), patient(), budget)
        assert len(piece.rejects) == 30
        assert budget.left.strict_work == LIMITS.strict_work - number * 30 * STRICT_ROW_BYTES
    with pytest.raises(ObjectRejected) as refusal:
        decode(decoder, DATA, limits=replace(LIMITS, cpu_s=-1.0))
    assert refusal.value.reason is Reason.TOO_MUCH_WORK


def test_the_kernel_ends_a_child_that_computes_without_end() -> None:
    """Beyond its budget it gets SIGXCPU, by CPU time and not by the clock."""
    code = "from services.decoder_child import _bound_cpu_time as bound; bound(-4)\nwhile True: pass"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGXCPU


def test_the_child_holds_no_credentials_and_ends_with_its_parent() -> None:
    """It is given five variables at most, and is gone when who started it is killed."""
    code = """if True:
        import sys
        from services.deadlines import Deadline
        from services.decoder_process import DecoderProcess, Job
        from tickstream.decoding import LIMITS, Budget
        from tickstream.ingests import Format, Layout, Source, Span
        child, text = DecoderProcess(1 << 30), b"x"
        layout = Layout(Format.CSV, columns=("symbol", "timestamp", "price", "size"))
        job = Job(Source("b", "k", "v", "e", 1), layout, Span(0, 0, 1), LIMITS, True)
        list(child.decode(job, lambda start, end: text[start:end], Deadline.after(600), Budget(LIMITS)))
        print(child.pid, flush=True)
        sys.stdin.read()"""
    environment = os.environ | {"AWS_SECRET_ACCESS_KEY": "secret"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        child = os.pidfd_open(pid)
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        # As one that computes: it does not look at its socket.
        os.kill(pid, signal.SIGSTOP)
        parent.kill()
    try:
        assert select.select([child], [], [], 600)[0]
    finally:
        os.close(child)


def test_only_parquet_goes_to_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text is decoded here, by the same budget; Parquet with what is left of it, by the one child of the process."""
    monkeypatch.setattr("services.decoder_process._kept", lambda: pytest.fail("a child was asked"))
    text = b"symbol,timestamp,price,size\nAAPL,%d,1,1\n" % START_NS
    source, layout = (
        Source("bucket", "key", "v1", "etag", len(text)),
        Layout(Format.CSV, columns=tuple(GOOD.columns[:4])),
    )
    work = (source, layout, Span(0, 28, len(text)), lambda start, end: text[start:end], Budget(LIMITS))
    assert decode_apart(*work, deadline=patient()).ticks == 1
    assert [piece.ticks for piece in decode_pieces_apart(*work, deadline=patient())] == [1]


def killing(decoder: DecoderProcess, number: signal.Signals) -> Read:
    """What sends the child a signal when it asks for bytes."""

    def read(start: int, end: int) -> bytes:
        assert decoder.pid is not None
        os.kill(decoder.pid, number)
        return DATA[start:end]

    return read
