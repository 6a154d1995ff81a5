"""Input as an attack, end to end: odd object keys, refusals of the gateway, a sample of the fuzzing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from bench.fuzz.run import KEYS, Fuzzing
from tests.e2e.market import csv, trades
from tests.patience import wait_until

if TYPE_CHECKING:
    from bench.targets.embedded import EmbeddedTarget
    from tests.e2e.files import FileStack
    from tests.e2e.market import MarketStack

#: Of the longest name that S3 takes: 1,024 bytes.
LONGEST = "\u00e9" * 510 + ".csv"
ODD_KEYS = (
    *KEYS,
    LONGEST,
    "/lead//ing/",
    "=cmd|' /C calc'!A0.csv",
    '{"level":"ERROR"}\r\n\u2028\x1b[2J',
    "%2e%2E/%",
    "'\"\\",
)


def test_a_key_of_any_characters_is_ingested_and_found(market: MarketStack, files: FileStack) -> None:
    """Both pipelines take whatever S3 lets an object be called, and tell of it under exactly that name."""
    body = csv(trades("E2E.ODDKEY", 3))
    ingests = {key: market.put(key, body) for key in ODD_KEYS}
    file_ids = {key: files.put(key, body) for key in ODD_KEYS}
    for key, ingest_id in ingests.items():
        status = market.wait_for_state(ingest_id)
        assert (status["source"], status["ticks"], status["rejected"]) == (key, 3, 0)
    for key, file_id in file_ids.items():
        # Slashes encoded too: HTTP clients shorten paths that hold dots between slashes, and strip what ends in one.
        path = f"/status/{quote(file_id, safe='').replace('.', '%2E')}"

        def found(path: str = path) -> object:
            answer = files.get(path)
            return answer.body if answer.status == 200 and answer.body["status"] == "completed" else None

        wait_until(f"{key!r} to be completed", found)
        answer = files.get(path).body
        assert (answer["fileId"], answer["objectKey"], answer["totals"]["ticks"]) == (file_id, key, 3)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/ingest", b"[1, 2]", 400, "invalid_body"),
        ("POST", "/bars", b"null", 400, "invalid_body"),
        ("DELETE", "/bars", None, 403, "unsigned_or_unknown"),
        ("GET", "/", None, 403, "unsigned_or_unknown"),
        ("GET", "/ingest", None, 403, "unsigned_or_unknown"),
    ],
)
def test_m11_the_gateway_refuses_in_the_templates_words(  # noqa: PLR0917 - the columns of the table above
    market: MarketStack, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    """What no function sees is answered in the same form as everything else, and says nothing of schemas or roles."""
    answer = market.call(method, path, body, {"Content-Type": "application/json"})
    assert answer.status == status
    assert answer.body["error"]["code"] == code
    assert answer.body.keys() == {"error"}


def test_a_sample_of_the_fuzzing_finds_nothing(target: EmbeddedTarget, market: MarketStack, files: FileStack) -> None:
    """Every edge of both descriptions, and some random requests: no 5xx, every answer as described, no inside told."""
    assert files.target is market.target
    told = _told(target)
    fuzzed = Fuzzing(target, "e2e", print, examples=5).run(requests=1, seed=3, workers=4)
    # Objects of other tests may still come to DataIngestion.
    ingestion = market.outputs["ingestionFunctionName"]
    assert [finding for finding in fuzzed.findings if finding.operation != ingestion] == []
    assert fuzzed.requests >= 300
    assert _told(target) == told, "the stack is not as it was before"
    answered = {call.function: call.answered for call in fuzzed.calls}
    assert all(answered.values())
    # The edges lie on both sides.
    seen = {(operation, status) for tally in fuzzed.tallies.values() for operation, status, _ in tally.answers}
    for operation in (
        "POST /ingest",
        "POST /bars",
        "GET /bars/{symbol}",
        "GET /symbols",
        "GET /ingest/{ingestId}",
        "GET /status/{fileId}",
    ):
        assert {(operation, 200), (operation, 400)} <= seen


def _told(target: EmbeddedTarget) -> dict[str, list[str]]:
    """Return whom each rule of EventBridge tells."""
    events = target.client("events")
    rules = [rule["Name"] for rule in events.list_rules()["Rules"]]
    told = {rule: [one["Arn"] for one in events.list_targets_by_rule(Rule=rule)["Targets"]] for rule in rules}
    assert all(told.values())
    return told
