"""Who has ingests taken back: the caller of the API, and a range that is refused."""

from __future__ import annotations

import json

import pytest

from tests.unit.market_analytics.aggregator_world import (
    PASS_MS,
    Died,
    World,
    dying_at,
    ingest_id_of,
)
from tests.unit.market_analytics.revised_world import Revised, world_of
from tickstream.errors import BadRequest, Reason
from tickstream.ingests import Receipt, Refusal
from tickstream.items import receipt_items
from tickstream.messages import ProcessedRange, event_details


def test_m25_an_object_refused_in_part_counts_not_at_all() -> None:
    """One of three ranges cannot be read: what the others brought is taken back, and nobody was told `complete`."""
    world = world_of(2)
    world.begin("damaged", 3)
    world.open("damaged", 3)
    world.process("damaged", 0, ["A"])
    world.process("damaged", 1, ["A", "D"])
    world.roll_up()
    _refuse(world, "damaged", 2)
    assert world.state("damaged") == "retracting"
    (detail,) = _refused_event(world, "damaged", 2)
    world.aggregator().on_processed(json.loads(detail))
    assert world.state("damaged") == "retracting"
    world.serve_orders()
    assert world.state("damaged") == "rejected"
    world.check_as_if_never_been("damaged")


def test_m25_the_survey_finds_what_was_refused_when_its_event_is_lost() -> None:
    """No event, and the object is taken back all the same, by the schedule."""
    world = world_of(2)
    world.begin("damaged", 2)
    world.open("damaged", 2)
    world.process("damaged", 0, ["A"])
    world.roll_up()
    _refuse(world, "damaged", 1)
    world.now_ms += PASS_MS
    world.schedule()
    world.serve_orders()
    assert world.state("damaged") == "rejected"
    world.check_as_if_never_been("damaged")


def test_m25_a_survey_that_dies_takes_back_what_was_refused_all_the_same() -> None:
    """Wherever the schedule is killed, no object stays with a part of it in the bars."""
    for position in range(200):
        world = world_of(2)
        world.begin("damaged", 2)
        world.open("damaged", 2)
        world.process("damaged", 0, ["A"])
        world.roll_up()
        _refuse(world, "damaged", 1)
        world.now_ms += PASS_MS
        world.table.before_write = dying_at(position)
        try:
            world.schedule()
        except Died:
            world.table.before_write = None
            world.orders.clear()
            world.settle()
            assert world.state("damaged") == "rejected"
            world.check_as_if_never_been("damaged")
        else:
            world.table.before_write = None
            break
    assert position > 2


def test_an_object_of_one_refused_range_is_rejected_as_it_is() -> None:
    """There is nothing to take back, and nothing is listed."""
    world = world_of(2)
    world.begin("small", 1)
    _refuse(world, "small", 0)
    (detail,) = _refused_event(world, "small", 0)
    world.aggregator().on_processed(json.loads(detail))
    assert world.orders == []
    assert world.state("small") == "rejected"


def _refuse(world: World, ingest: str, index: int) -> None:
    refusal = Refusal(Reason.CORRUPT_PARQUET, "damaged")
    world.table.batch_write(receipt_items(Receipt(ingest_id_of(ingest), index, 0, 1, world.now_ms, {}, refusal), 0))


def _refused_event(world: World, ingest: str, index: int) -> list[str]:
    return event_details([ProcessedRange(ingest_id_of(ingest), index, 0, 1, 0, world.now_ms, (), refused=True)])


@pytest.mark.parametrize(
    ("ingest_id", "status", "code"),
    [
        ("x", 400, "bad_ingest_id"),
        ("0" * 32, 404, "unknown_ingest"),
        (ingest_id_of("empty"), 409, "nothing_to_retract"),
    ],
)
def test_delete_refuses_what_it_cannot_do(ingest_id: str, status: int, code: str) -> None:
    """A caller's mistakes are told apart."""
    world = Revised()
    world.begin("empty", 0)
    with pytest.raises(BadRequest) as refused:
        world.revision().on_request({"pathParameters": {"ingestId": ingest_id}})
    assert (refused.value.status, refused.value.code) == (status, code)


def test_delete_asked_again_says_how_far_it_is() -> None:
    """The answer may get lost, and the caller asks again, before and after it is done."""
    world = world_of(1)
    assert world.delete("wrong") == "retracting"
    world.orders.clear()  # the event was lost, or the function died before it
    assert world.delete("wrong") == "retracting"
    world.serve_orders()
    assert world.delete("wrong") == "retracted"
    assert world.orders == []
