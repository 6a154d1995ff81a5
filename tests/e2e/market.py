"""A deployed market-analytics stack as its user meets it: put objects, call the API, look at the queues."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.targets import REGION
from tests.patience import wait_until, wait_until_true
from tickstream import keys

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from bench.targets import Target

#: The first minute of the day that the tests trade on: 2026-01-05T14:30:00Z.
OPEN_NS = 1_767_623_400 * 10**9
MINUTE_NS = 60 * 10**9
HEADER = "symbol,timestamp,price,size\n"
#: The day that the tests trade on, as a window.
DAY = ("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z")
FIELDS = ("open", "high", "low", "close", "volume", "ticks", "notional")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Trade:
    """One tick of a test, as text, as a file has it."""

    symbol: str
    timestamp_ns: int
    price: str
    size: str

    def row(self) -> str:
        """Write it as a CSV row."""
        return f"{self.symbol},{self.timestamp_ns},{self.price},{self.size}\n"


def csv(trades: Iterable[Trade]) -> bytes:
    """Write a CSV object."""
    return (HEADER + "".join(trade.row() for trade in trades)).encode()


def trades(symbol: str, count: int, *, start_ns: int = OPEN_NS, step_ns: int = 250_000_000) -> list[Trade]:
    """Make trades that differ in price and size, so that a lost or doubled one shows in some figure."""
    return [
        Trade(symbol, start_ns + index * step_ns, f"{100 + index % 7}.{index % 100:02d}", str(1 + index % 13))
        for index in range(count)
    ]


def expected_bars(ordered: Iterable[Trade]) -> list[dict[str, Any]]:
    """Compute minute bars with Decimal from trades in their total order: the tests' own, simple oracle."""
    bars: dict[int, dict[str, Any]] = {}
    for trade in ordered:
        price, size = Decimal(trade.price), Decimal(trade.size)
        minute = trade.timestamp_ns // MINUTE_NS
        bar = bars.setdefault(
            minute,
            {"open": price, "high": price, "low": price, "volume": Decimal(0), "ticks": 0, "notional": Decimal(0)},
        )
        bar["high"] = max(bar["high"], price)
        bar["low"] = min(bar["low"], price)
        bar["close"] = price
        bar["volume"] += size
        bar["ticks"] += 1
        bar["notional"] += price * size
    return [bars[minute] for minute in sorted(bars)]


def signed_call(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Send a request as IAM wants it signed; the URL is sent as it stands, percent signs and all."""
    request = AWSRequest(method, url, headers=dict(headers or {}), data=body)
    SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(request)
    answer = requests.request(method, url, data=body, headers=dict(request.headers.items()))  # noqa: S113 - a test's last resort is pytest's timeout
    return Answer(answer.status_code, json.loads(answer.text, parse_float=Decimal) if answer.text else None)


def _shown(name: str, value: Any) -> Any:
    # A price is null where no tick may set it.
    return None if value is None else {"ticks": int, "start": str}.get(name, Decimal)(value)


class MarketStack:
    """One deployed stack and the calls that a user would make."""

    def __init__(self, target: Target, outputs: Mapping[str, str], stage: str) -> None:
        self.target = target
        self.outputs = outputs
        self.s3 = target.client("s3")
        self.sqs = target.client("sqs")
        self.dynamodb = target.client("dynamodb")
        self.lambda_ = target.client("lambda")
        self._api_url = target.api_url(outputs["restApiId"], stage)

    # Ticks go in -------------------------------------------------------------------------------------------------

    def put(self, key: str, body: bytes) -> str:
        """Put an object and return the id of the ingest that it starts."""
        put = self.s3.put_object(Bucket=self.outputs["bucketName"], Key=key, Body=body)
        return keys.object_ingest_id(self.outputs["bucketName"], key, put["ETag"].strip('"'), len(body))

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a signed request to the API; `path` is sent as it stands, percent signs and all."""
        return signed_call(method, self._api_url + path, body, headers)

    def post(self, value: object, headers: Mapping[str, str] | None = None) -> Answer:
        """POST ticks as JSON."""
        return self.call("POST", "/ingest", json.dumps(value).encode(), headers)

    # Answers come out --------------------------------------------------------------------------------------------

    def ingest(self, ingest_id: str) -> Answer:
        """Ask how far an ingest is."""
        return self.call("GET", f"/ingest/{ingest_id}")

    def take_back(self, ingest_id: str) -> Answer:
        """Ask for an ingest to be taken back."""
        return self.call("DELETE", f"/ingest/{ingest_id}")

    def wait_for_state(self, ingest_id: str, state: str = "complete") -> dict[str, Any]:
        """Wait until an ingest has reached a state and return its status."""
        last: list[Answer] = []

        def look() -> dict[str, Any] | None:
            last[:] = [self.ingest(ingest_id)]
            body: dict[str, Any] = last[0].body
            return body if last[0].status == 200 and body["state"] == state else None

        try:
            return wait_until(f"ingest {ingest_id} to be {state}", look)
        except AssertionError as error:
            error.add_note(f"last seen: {last}")
            raise

    def wait_until_closed(self, *symbols: str, window: tuple[str, str] = DAY) -> None:
        """Wait until all bars of symbols that are visible already are rolled up too: from then on no answer changes."""
        asked = {"symbols": symbols, "from": window[0], "to": window[1], "interval": "1h", "limit": 5000}

        def all_closed() -> bool:
            answer = self.call("POST", "/bars", json.dumps(asked).encode())
            assert (answer.status, "nextToken" in answer.body) == (200, False), answer
            return all(bar["closed"] for bars in answer.body["bars"].values() for bar in bars)

        wait_until_true(f"bars of {symbols[0]} to be closed", all_closed)

    def bars(
        self, symbol: str, *, interval: str = "1m", window: tuple[str, str] = DAY, fields: Collection[str] = FIELDS
    ) -> list[dict[str, Any]]:
        """Fetch all bars of a symbol in a window, page by page; of each some fields, figures as Decimal.

        symbol: as it may stand in a path: what is percent-encoded stays so.
        """
        bars: list[dict[str, Any]] = []
        query = f"from={window[0]}&to={window[1]}&interval={interval}"
        token = ""
        while True:
            page = f"&nextToken={token}" if token else ""
            answer = self.call("GET", f"/bars/{quote(symbol, safe='/%')}?{query}{page}")
            assert answer.status == 200, answer
            bars += [{name: _shown(name, bar[name]) for name in fields} for bar in answer.body["bars"]]
            token = answer.body.get("nextToken", "")
            if not token:
                return bars

    def rejects(self, ingest_id: str, index: int = 0) -> list[dict[str, Any]]:
        """Read what was rejected of one range."""
        key = f"rejected/{ingest_id}/{index}.jsonl"
        body = self.s3.get_object(Bucket=self.outputs["rejectedBucketName"], Key=key)["Body"].read()
        return [json.loads(line) for line in body.splitlines()]

    def waiting(self, queue: str) -> int:
        """Count the messages of a queue (by the key of the output that has its URL), the invisible ones too."""
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=self.outputs[queue],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return sum(int(count) for count in attributes.values())

    def invoke(self, function: str, event: object) -> Any:
        """Invoke a function (by the key of the output that has its name) and return its answer."""
        answer = self.lambda_.invoke(FunctionName=self.outputs[function], Payload=json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def revise(self) -> None:
        """Run the schedule of retractions now."""
        self.invoke("revisionFunctionName", {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})

    def aggregate(self) -> None:
        """Run the schedule now."""
        self.invoke("aggregatorFunctionName", {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
