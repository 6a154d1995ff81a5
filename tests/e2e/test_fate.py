"""What became of my file: found by its key, its state and its day, with the reason; refused ones call a person."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest

from tests.e2e.market import OPEN_NS, csv, trades
from tests.patience import wait_until

if TYPE_CHECKING:
    from bench.targets import Target
    from tests.e2e.files import FileStack
    from tests.e2e.market import MarketStack

NO_TICKS = b'date,remark\n2026-01-05,"no ticks, by mistake"\n'


def asked(**parameters: object) -> str:
    """The path of a question. `from_`, because Python has the other word."""
    return "/ingests?" + urlencode({name.rstrip("_"): value for name, value in parameters.items()}, quote_via=quote)


def all_of(market: MarketStack, **parameters: object) -> list[dict[str, Any]]:
    """All entries of a question, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        answer = market.call("GET", asked(**parameters))
        assert answer.status == 200, answer
        found += answer.body["ingests"]
        if "nextToken" not in answer.body:
            return found
        parameters["nextToken"] = answer.body["nextToken"]


def test_m24_a_refused_object_is_found_by_its_key_with_its_sentence(market: MarketStack) -> None:
    """One call by the key alone: what became of the file, and why; and a line of it lies in the bucket of rejects."""
    key = "fate/no ticks + ümlaut.csv"
    market.put(key, NO_TICKS)

    def look() -> dict[str, Any] | None:
        listed: list[dict[str, Any]] = market.call("GET", asked(key=key)).body["ingests"]
        return listed[0] if listed else None

    entry = wait_until("the object to be listed", look)
    assert (entry["state"], entry["source"], entry["bucket"]) == ("rejected", key, market.outputs["bucketName"])
    assert entry["reason"]["code"] == "missing_column"
    assert "date, remark" in entry["reason"]["message"]
    assert entry == market.ingest(entry["ingestId"]).body
    body = market.s3.get_object(
        Bucket=market.outputs["rejectedBucketName"], Key=f"rejected/{entry['ingestId']}/object.jsonl"
    )["Body"].read()
    line = json.loads(body)
    assert (line["key"], line["versionId"], line["reason"]) == (key, entry["versionId"], "missing_column")
    assert line["detail"] == entry["reason"]["message"]


def test_m24_an_object_that_is_refused_in_reading_is_told_as_well(market: MarketStack) -> None:
    """A truncated gzip is seen by DataProcessor: in the same list, in the same bucket."""
    key = "fate/truncated.csv.gz"
    ingest_id = market.put(key, gzip.compress(csv(trades("FATE.TRUNCATED", 500)), mtime=0)[:-20])
    market.wait_for_state(ingest_id, "rejected")
    assert ingest_id in [one["ingestId"] for one in all_of(market, state="rejected")]
    found = market.s3.list_objects_v2(
        Bucket=market.outputs["rejectedBucketName"], Prefix=f"rejected/{ingest_id}/object"
    )["Contents"]
    assert [one["Key"] for one in found] == [f"rejected/{ingest_id}/object.jsonl"]


def test_m24_ingests_are_found_by_state_and_day_page_by_page(market: MarketStack) -> None:
    """Ten refused ones and some good ones: each in its list once, the newest first, whatever the pages."""
    refused = [market.put(f"fate/paged/{number}.csv", NO_TICKS + b"%d\n" % number) for number in range(10)]
    good = [market.put(f"fate/good/{number}.csv", csv(trades(f"FATE.G{number}", 2))) for number in range(3)]
    posted = market.post({"symbol": "FATE.P", "timestamp": OPEN_NS, "price": "1", "size": "1"}).body["ingestId"]
    for ingest_id in refused:
        market.wait_for_state(ingest_id, "rejected")
    for ingest_id in (*good, posted):
        market.wait_for_state(ingest_id)
    now = datetime.now(UTC)
    since = {"from_": (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}
    for limit in (3, 200):
        listed = [one["ingestId"] for one in all_of(market, state="rejected", limit=limit, **since)]
        assert len(listed) == len(set(listed))
        assert set(refused) <= set(listed)
        assert not set(listed) & {*good, posted}
    complete = all_of(market, state="complete", limit=7, **since)
    assert {*good, posted} <= {one["ingestId"] for one in complete}
    moments = [datetime.fromisoformat(one["receivedAt"]) for one in complete]
    assert moments == sorted(moments, reverse=True)
    (entry,) = [one for one in complete if one["ingestId"] == good[0]]
    assert (entry["rows"], entry["ticks"], entry["feedChosenBy"]) == (2, 2, "native")
    assert datetime.fromisoformat(entry["receivedAt"]) <= datetime.fromisoformat(entry["completedAt"])
    yesterday = (now - timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
    assert all_of(market, state="rejected", from_=yesterday, to=yesterday) == []


def test_m24_every_ingest_of_a_key_is_listed_the_newest_first(market: MarketStack) -> None:
    """New bytes under an old key are one more ingest of it; the same bytes again are none."""
    key = "fate/again.csv"
    first = market.put(key, csv(trades("FATE.AGAIN", 1)))
    market.wait_for_state(first)
    second = market.put(key, csv(trades("FATE.AGAIN", 3)))
    market.wait_for_state(second)
    market.put(key, csv(trades("FATE.AGAIN", 3)))
    assert [(one["ingestId"], one["ticks"]) for one in all_of(market, key=key, limit=1)] == [(second, 3), (first, 1)]


def test_m24_a_key_that_nobody_put_is_an_empty_list(market: MarketStack) -> None:
    """It is no error to ask before the file is there."""
    answer = market.call("GET", asked(key="fate/nobody's.csv"))
    assert (answer.status, answer.body) == (200, {"ingests": []})


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/ingests?state=lost", "unknown_state"),
        ("/ingests?key=", "bad_key"),
        ("/ingests?bucket=market-data", "missing_key"),
        ("/ingests?limit=1000", "bad_limit"),
        ("/ingests?from=yesterday", "bad_timestamp"),
        ("/ingests?nextToken=forged", "bad_token"),
        ("/ingests?key=a&key=b", "repeated_parameter"),
        ("/ingests?symbol=AAPL", "unknown_parameter"),
    ],
)
def test_m24_a_bad_question_is_a_400_with_one_clear_line(market: MarketStack, path: str, code: str) -> None:
    """Each mistake is named, and nothing of the inside is told."""
    answer = market.call("GET", path)
    assert (answer.status, answer.body["error"]["code"]) == (400, code)
    assert "\n" not in answer.body["error"]["message"]
    assert "arn:" not in json.dumps(answer.body)


def metric_of(target: Target, alarm_name: str) -> float | None:
    """The sum of the metric that an alarm watches, over the last hour."""
    client = target.client("cloudwatch")
    (alarm,) = client.describe_alarms(AlarmNames=[alarm_name])["MetricAlarms"]
    now = datetime.now(UTC)
    points = client.get_metric_statistics(
        Namespace=alarm["Namespace"],
        MetricName=alarm["MetricName"],
        Dimensions=alarm.get("Dimensions", []),
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=3600,
        Statistics=[alarm["Statistic"]],
    )["Datapoints"]
    return sum(float(point[alarm["Statistic"]]) for point in points) or None


def test_m24_a_refused_object_shows_where_its_alarm_looks(market: MarketStack) -> None:
    """The line that DataIngestion logs becomes the metric that the alarm watches."""
    market.wait_for_state(market.put("fate/counted.csv", NO_TICKS), "rejected")
    assert wait_until("the metric", lambda: metric_of(market.target, "ObjectsRejectedAlarm-e2e"))


def test_f12_a_failed_file_is_found_by_its_key_and_among_the_failed(files: FileStack) -> None:
    """File processing tells the same, in its own words; a refused file moves the metric of its alarm."""
    key = "fate/no ticks + ümlaut.csv"
    bad = files.put(key, NO_TICKS)
    good = files.put("fate/good.csv", csv(trades("F.FATE", 3)))
    files.at(bad, "failed")
    files.at(good, "completed")
    (entry,) = files.get(f"/files?key={quote(key, safe='')}").body["files"]
    assert (entry["fileId"], entry["status"], entry["reason"]["code"]) == (bad, "failed", "missing_column")
    listed = files.get("/files?state=failed&limit=200").body["files"]
    assert {name: entry[name] for name in entry if name != "badRows"} in listed
    assert good not in [one["fileId"] for one in listed]
    completed = files.get("/files?state=completed&limit=200").body["files"]
    assert good in [one["fileId"] for one in completed]
    assert files.get("/files?key=nobody").body == {"files": []}
    assert files.get("/files?state=rejected").body["error"]["code"] == "unknown_state"
    name = "files-refused-alarm-e2e"
    assert wait_until("the metric", lambda: metric_of(files.target, name))
