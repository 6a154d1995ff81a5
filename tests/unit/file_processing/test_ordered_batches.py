"""Which messages of a batch come again when some fail, and which are worked on."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

from aws_lambda_powertools import Logger
from hypothesis import given
from hypothesis import strategies as st

from services.ordered_batches import failures_answer, process_in_order

batches = st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=10)


def records(batch: list[tuple[str, bool]]) -> list[dict[str, Any]]:
    """One record for each (group, fails)."""
    return [
        {"messageId": f"m{number}", "attributes": {"MessageGroupId": group}, "fails": fails}
        for number, (group, fails) in enumerate(batch)
    ]


def run(batch: list[dict[str, Any]], budget: int = 10**6) -> tuple[list[str], list[str], list[str]]:
    """Process a batch of which `budget` records fit into the time: failed, worked on, logged with their names."""
    worked: list[str] = []
    log = io.StringIO()
    logger = Logger(service=uuid.uuid4().hex, stream=log)

    def process(record: Any) -> None:
        worked.append(record["messageId"])
        if record["fails"]:
            raise RuntimeError("cannot")

    failed = process_in_order(
        batch,
        process,
        lambda record: {"file_id": f"file of {record['messageId']}"},
        logger,
        lambda: len(worked) < budget,
    )
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["message_id"] for line in lines] == failed
    assert all(line["file_id"] == f"file of {line['message_id']}" for line in lines)
    errors = [line for line in lines if line["level"] == "ERROR"]
    assert all("cannot" in line["exception"] for line in errors)
    return failed, worked, [line["message_id"] for line in errors]


@given(batches)
def test_the_first_failure_of_a_group_and_the_later_ones_of_that_group_come_again(
    batch: list[tuple[str, bool]],
) -> None:
    """Exactly these are returned, nothing of a stopped group is worked on, and every other message is."""
    failed_first, returned, untouched = [], [], []
    stopped: set[str] = set()
    for number, (group, fails) in enumerate(batch):
        if group in stopped:
            untouched.append(f"m{number}")
        elif fails:
            failed_first.append(f"m{number}")
        if group in stopped or fails:
            returned.append(f"m{number}")
            stopped.add(group)
    failed, worked, reported = run(records(batch))
    assert failed == returned
    assert reported == failed_first
    assert worked == [f"m{number}" for number in range(len(batch)) if f"m{number}" not in untouched]


@given(batches, st.integers(0, 10))
def test_what_there_is_no_time_for_comes_again_in_order(batch: list[tuple[str, bool]], budget: int) -> None:
    """A message that is put off holds back its group too, and the first message is always begun."""
    failed, worked, _ = run(records(batch), budget)
    done = set(worked) - set(failed)
    assert len(worked) <= max(budget, 1)
    assert not batch or worked[0] == "m0"
    assert done | set(failed) == {f"m{number}" for number in range(len(batch))}
    for group in "abcd":
        of_group = [f"m{number}" for number, (name, _) in enumerate(batch) if name == group]
        assert of_group == [m for m in of_group if m in done] + [m for m in of_group if m in failed]


def test_i5_a_message_that_has_no_name_is_processed_and_so_are_its_neighbours() -> None:
    """To tell what the log calls it is nothing that may fail a batch."""
    worked: list[str] = []

    def names_of(record: Any) -> dict[str, object]:
        if record["messageId"] == "m0":
            raise RecursionError
        return {"file_id": "f"}

    log = io.StringIO()
    logger = Logger(service=uuid.uuid4().hex, stream=log)
    batch = [{"messageId": f"m{n}", "attributes": {}} for n in range(3)]
    assert process_in_order(batch, lambda record: worked.append(record["messageId"]), names_of, logger) == []
    assert worked == ["m0", "m1", "m2"]


def test_messages_of_a_standard_queue_fail_alone() -> None:
    """Without a message group no message holds back another."""
    batch = [{"messageId": f"m{n}", "attributes": {}, "fails": n == 0} for n in range(3)]
    failed, worked, _ = run(batch)
    assert (failed, worked) == (["m0"], ["m0", "m1", "m2"])


def test_the_answer_is_what_the_event_source_mapping_reads() -> None:
    """Each failed message is named by its id; without failures the list is empty, which means all are deleted."""
    assert failures_answer(["m1"]) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert failures_answer([]) == {"batchItemFailures": []}
