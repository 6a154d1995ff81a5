"""What a stack answers at the end of a run, as one document that can be laid beside another engine's.

Two runs of one workload and seed send the same bytes. What must differ between them all the same is left out, and
stands here in one place (`VOLATILE`): ids that are drawn, versions, times; and of a bar the open or close that such an
id decides, because a POST and another source have ticks of that moment (`Oracle.drawn_ends`). An ingest is named by its
object's key, or by its place among the POSTs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bench.errors import ApiError
from bench.files import write_whole
from bench.market_analytics.api_reader import Window, pages_of
from tickstream.keys import NS_PER_MINUTE
from tickstream.refused_objects import refusal_key
from tickstream.times import iso_8601

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from bench.ledger.sent import Sent
    from bench.market_analytics.load import Deployed
    from bench.market_analytics.oracle import Oracle

#: Fields of answers and of rejected rows that differ from run to run.
VOLATILE: Final = frozenset(
    {"ingestId", "receivedAt", "completedAt", "versionId", "at", "askedAt", "doneAt", "retractedAt"}
)
#: Behind "POST": as many digits as sort them.
_ORDINAL_DIGITS: Final = 9

type Document = dict[str, dict[str, Any]]


def read_answers(deployed: Deployed, sent: Iterable[Sent], oracle: Oracle) -> Document:
    """Read bars, symbols, what became of each ingest, and rejected rows. Raises ApiError.

    oracle: of all that was sent. Bars are asked for from the first minute that has one to the last, whatever there is.
    """
    expected = oracle.bars()
    minutes = [minute for of_symbol in expected.values() for minute in of_symbol]
    window = Window(min(minutes, default=0), max(minutes, default=0) + 1)
    names = {one.ingest_id: _name(one) for one in sent if one.acknowledged and one.ingest_id and not one.repeat}
    return {
        "bars": _without_drawn(_bars(deployed, sorted(expected), window), oracle.drawn_ends()),
        "symbols": {one["symbol"]: _lasting(one) for one in _symbols(deployed)},
        "ingests": {name: _lasting(_ingest(deployed, ingest_id)) for ingest_id, name in names.items()},
        "rejects": dict(_rejects(deployed, names)),
    }


def write_answers(path: Path, document: Document) -> None:
    """Write them, sorted: equal documents are equal bytes."""
    write_whole(path, json.dumps(document, indent=1, sort_keys=True) + "\n")


def _name(one: Sent) -> str:
    return one.key or f"POST {one.ordinal:0{_ORDINAL_DIGITS}d}"


def _bars(deployed: Deployed, symbols: list[str], window: Window) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for symbol in symbols:
        request = {"symbols": [symbol], "interval": "1m", "limit": 5_000, **window.parameters()}
        for page in pages_of(lambda fields: deployed.api.post_json("/bars", fields), request):
            for bar in page["bars"].get(symbol, ()):
                found[f"{symbol} {bar['start']}"] = bar
    return found


def _without_drawn(bars: dict[str, Any], drawn: Mapping[tuple[str, int], frozenset[str]]) -> dict[str, Any]:
    """Leave out of bars what a drawn id decides."""
    by_label = {f"{symbol} {iso_8601(minute * NS_PER_MINUTE)}": ends for (symbol, minute), ends in drawn.items()}
    return {
        label: {name: value for name, value in bar.items() if name not in by_label.get(label, ())}
        for label, bar in bars.items()
    }


def _symbols(deployed: Deployed) -> Iterator[dict[str, Any]]:
    for page in pages_of(lambda fields: deployed.api.get("/symbols", fields), {}, "symbols"):
        yield from page["symbols"]


def _ingest(deployed: Deployed, ingest_id: str) -> dict[str, Any]:
    answer = deployed.api.get(f"/ingest/{ingest_id}")
    if not isinstance(answer.body, dict):
        raise ApiError(f"GET /ingest was answered {answer.status}: {str(answer.body)[:200]}")
    return {"status": answer.status, **answer.body}


def _rejects(deployed: Deployed, names: dict[str, str]) -> Iterator[tuple[str, Any]]:
    client, bucket = deployed.target.client("s3"), deployed.outputs.rejected_bucket_name
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="rejected/"):
        for entry in page.get("Contents", []):
            _, ingest_id, name = entry["Key"].split("/")
            if ingest_id not in names:
                continue
            label = "object" if entry["Key"] == refusal_key(ingest_id) else name.removesuffix(".jsonl")
            content = client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            yield f"{names[ingest_id]} {label}", [_lasting(json.loads(line)) for line in content.splitlines()]


def _lasting(value: Any) -> Any:
    """Return it without what must differ, however deep."""
    if isinstance(value, dict):
        return {name: _lasting(one) for name, one in value.items() if name not in VOLATILE}
    return [_lasting(one) for one in value] if isinstance(value, list) else value
