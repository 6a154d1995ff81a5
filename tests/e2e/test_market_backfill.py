"""Large ranges on a table that throttles: they go back, go on where they were, and end with every bar."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from decimal import Decimal
from itertools import batched
from typing import TYPE_CHECKING

from bench.faults import FaultInjector, FaultRule
from bench.measure.journal import read_journal, reset_journal
from services.dynamo_table import MAX_WRITES_A_REQUEST
from tests.e2e.market import DAY, OPEN_NS, Trade, csv
from tests.patience import wait_until
from tickstream import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.measure.journal import RequestCount
    from tests.e2e.market import MarketStack

#: Of an object of two ranges: most rows are in the first.
SYMBOLS = 1_800
#: So many batches of a range are written before it is throttled.
PASSED = 24
#: Batches that may be under way behind the first one that is refused.
AT_ONCE = 8
#: Of DataProcessor while it is throttled: it gives up 12 s before.
TIMEOUT_S = 20
_SYMBOLS_A_CALL = 100


@contextmanager
def short_lives(market: MarketStack) -> Iterator[None]:
    """Have DataProcessor give up sooner than it is deployed to."""
    name = market.outputs["processorFunctionName"]
    deployed = market.lambda_.get_function_configuration(FunctionName=name)["Timeout"]

    def set_timeout(seconds: int) -> None:
        market.lambda_.update_function_configuration(FunctionName=name, Timeout=seconds)
        wait_until(
            "the function to be updated",
            lambda: (
                market.lambda_.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Successful" or None
            ),
        )

    set_timeout(TIMEOUT_S)
    try:
        yield
    finally:
        set_timeout(deployed)


def asked(market: MarketStack, operation: str) -> RequestCount | None:
    """What DataProcessor asked for, of one operation."""
    journal = read_journal(market.target)
    assert journal is not None
    caller = market.outputs["processorFunctionName"]
    return next((one for one in journal.requests if (one.operation, one.caller) == (operation, caller)), None)


def sent(market: MarketStack) -> int:
    """Messages that DataProcessor has sent again."""
    count = asked(market, "SendMessageBatch")
    return count.items if count else 0


def test_m29_a_throttled_range_goes_on_where_it_was_and_no_write_is_made_twice(market: MarketStack) -> None:
    """Throttled in two deliveries, it is finished by the third: each bar is there, nothing is a dead letter."""
    trades = [Trade(f"E2E.FILL.{at:04d}", OPEN_NS + at, f"{100 + at % 7}.5", str(1 + at)) for at in range(SYMBOLS)]
    faults, body = FaultInjector(market.target), csv(trades)
    processor, key = market.outputs["processorFunctionName"], "backfill/throttled.csv"
    reset_journal(market.target)
    with short_lives(market):
        # Known before the object is there, so that nothing is written before the rule is.
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        slices = f"{keys.object_ingest_id(market.outputs['bucketName'], key, etag, len(body))}/0"
        code = "ProvisionedThroughputExceededException"
        throttled = FaultRule(
            "throttled", "dynamodb", "BatchWriteItem", processor, slices, code=code, status=400, skip=PASSED
        )
        faults.add([throttled])
        try:
            ingest_id = market.put(key, body)
            wait_until("the range to go back", lambda: sent(market) >= 1 or None)
            # Anew: as many batches more pass.
            faults.add([throttled])
            wait_until("the range to go back again", lambda: sent(market) >= 2 or None)
        finally:
            faults.remove("throttled")
        status = market.wait_for_state(ingest_id)
    assert (status["ticks"], status["rejected"], status["ranges"]["total"]) == (SYMBOLS, 0, 2)
    for some in batched(trades, _SYMBOLS_A_CALL, strict=False):
        query = {"symbols": [one.symbol for one in some], "from": DAY[0], "to": DAY[1]}
        answer = market.call("POST", "/bars", json.dumps(query).encode())
        assert answer.status == 200, answer
        found = {
            symbol: [(Decimal(bar["close"]), Decimal(bar["volume"])) for bar in bars]
            for symbol, bars in answer.body["bars"].items()
        }
        assert found == {one.symbol: [(Decimal(one.price), Decimal(one.size))] for one in some}
    for queue in ("largeRangeQueueUrl", "largeRangeDeadLetterQueueUrl"):
        assert market.waiting(queue) == 0
    written = asked(market, "BatchWriteItem")
    assert written is not None
    # Slices and receipts, and an entry in each lane of either range, once; what was under way behind a refused batch,
    # twice.
    beside = written.items - (SYMBOLS + 2)
    most = 2 * keys.LANES + 2 * AT_ONCE * MAX_WRITES_A_REQUEST
    assert 2 <= beside <= most < 2 * PASSED * MAX_WRITES_A_REQUEST
