"""A fuzzing run: data to be met, campaigns against both APIs, and the calls.

The calls are the evidence that an answer without a function's headers involved no function: LocalStack counts
invocations by their REPORT lines, and each must have given an answer with these headers. A function that crashed, timed
out or answered in another form would have been invoked once more than it answered.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bench.errors import FuzzError
from bench.faults.untold import untold
from bench.file_processing.table_reader import read_statuses
from bench.fuzz.campaign import Campaign, Finding, Tally
from bench.fuzz.exchange import Origin
from bench.fuzz.objections import Judge
from bench.ledger.api_client import ApiClient
from bench.measure.journal import read_journal, reset_journal
from bench.stack import deployment
from bench.stack.outputs import FileOutputs, Outputs
from bench.waiting import Patience, wait_for
from generator.openapi import CONTRACTS, document
from tickstream.file_status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.targets import Target

MARKET: Final = deployment.PIPELINE
FILES: Final = deployment.FILE_PROCESSING

#: Of market analytics' operations those that another function than DataQuery answers.
_INGESTION: Final = "POST /ingest"
_REVISION: Final = "DELETE /ingest/{ingestId}"
#: DataRevision's, which would invoke it without anybody being answered.
_RULES: Final = ("RevisionWaiting", "RevisionSchedule")

_SYMBOLS: Final = ("AAPL", "BTC/USD", "BRK.B")
_PREFIXES: Final = ("A", "BTC/")
#: Keys of every kind that S3 takes, one file each.
KEYS: Final = (
    "feeds/plain.csv",
    "a b+c%20d&e=f?g#h.csv",
    "\u00e9\u4e16\U0001f4c8/\u202e.csv",
    "../..//./x.csv",
    "\n\t.csv",
)

_EXAMPLES_A_ROUND: Final = 100
#: Of the awaited processes' own time, see `bench.waiting`.
_NOTED_WITHIN_S: Final = 10.0
_COUNTED_WITHIN_S: Final = 120.0
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Calls:
    """Of one function: invocations that LocalStack counted, and answers that carried a function's headers."""

    function: str
    invoked: int
    answered: int


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What a run came to. tallies: by pipeline."""

    seed: int
    seconds: float
    tallies: Mapping[str, Tally]
    calls: tuple[Calls, ...]

    @property
    def requests(self) -> int:
        """All that were sent."""
        return sum(tally.requests for tally in self.tallies.values())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that is wrong, the calls included."""
        found = [finding for tally in self.tallies.values() for finding in tally.findings.values()]
        found += [
            Finding(
                call.function,
                "every invocation gave a function's answer",
                f"{call.invoked} invocations, {call.answered} answers",
                "see the function's log",
            )
            for call in self.calls
            if call.invoked != call.answered
        ]
        return tuple(found)


@dataclass(slots=True)
class Fuzzing:
    """Both stacks of an environment, and what is sent to them.

    say: takes a line after each round. examples: random requests an operation and round.
    """

    target: Target
    environment: str
    say: Callable[[str], None]
    examples: int = _EXAMPLES_A_ROUND
    _market: Outputs = field(init=False)
    _files: FileOutputs = field(init=False)

    def __post_init__(self) -> None:
        """Read where the stacks are."""
        self._market = deployment.outputs_of(self.target, self.environment)
        self._files = deployment.read_outputs(self.target, self.environment, FILES, FileOutputs)

    def run(self, requests: int, seed: int, workers: int) -> Fuzzed:
        """Send at least so many requests over both APIs. Raises BenchError where that cannot be done.

        Meanwhile nothing but calls reaches DataRevision: what is asked for is taken back when its schedule comes again.
        """
        with untold(self.target, [f"{rule}-{self.environment}" for rule in _RULES]):
            return self._run(requests, seed, workers)

    def _run(self, requests: int, seed: int, workers: int) -> Fuzzed:
        words = self._meet()
        judge = Judge(self._names(), document(CONTRACTS[MARKET]))
        campaigns = {
            name: Campaign(document(CONTRACTS[name]), self._url(name), words[name], judge) for name in CONTRACTS
        }
        tallies = {name: Tally() for name in campaigns}
        reset_journal(self.target)
        began = time.monotonic()
        while (sent := sum(tally.requests for tally in tallies.values())) < requests or not sent:
            for name, campaign in campaigns.items():
                campaign.go(tallies[name], seed=seed, workers=workers, examples=self.examples)
            now_sent = sum(tally.requests for tally in tallies.values())
            if now_sent == sent:
                raise FuzzError("a round sent nothing")
            self.say(f"{now_sent:,} requests, {sum(len(tally.findings) for tally in tallies.values())} findings")
        seconds = time.monotonic() - began
        return Fuzzed(seed, seconds, tallies, self._calls(tallies))

    # Data that requests may meet -----------------------------------------------------------------------------------

    def _meet(self) -> dict[str, dict[str, list[str]]]:
        """Put ticks and files, wait until they are counted, and return the words that name them, by API."""
        client = ApiClient(self.target, self._url(MARKET))
        # Requests take back what they are given the name of: the bars that they meet are of another ingest.
        _, stays, goes = (self._post(client) for _ in range(3))
        self._take_back(client, goes)
        body = f"symbol,timestamp,price,size\nAAPL,{time.time_ns()},187.5,100\nAAPL,soon,1,1\n".encode()
        ids = [f"{self._files.bucket_name}/{key}" for key in KEYS]
        for key in KEYS:
            self.target.client("s3").put_object(Bucket=self._files.bucket_name, Key=key, Body=body)
        _wait("files", lambda: self._completed() >= set(ids))
        words = {"path.symbol": list(_SYMBOLS), "query.prefix": list(_PREFIXES), "path.ingestId": [stays, goes]}
        return {MARKET: words, FILES: {"path.fileId": ids}}

    def _post(self, client: ApiClient) -> str:
        """Post a tick of each symbol, wait until they are counted, and return the ingest's id."""
        ticks = [{"symbol": symbol, "price": "187.5", "size": "100"} for symbol in _SYMBOLS]
        ingest_id = str(client.post_json("/ingest", {"ticks": ticks}).body["ingestId"])
        _wait(f"ingest {ingest_id}", lambda: client.get(f"/ingest/{ingest_id}").body.get("state") == "complete")
        return ingest_id

    def _take_back(self, client: ApiClient, ingest_id: str) -> None:
        """Take an ingest back. Raises FuzzError where it is not."""
        reset_journal(self.target)
        client.delete(f"/ingest/{ingest_id}")
        event = json.dumps({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}).encode()
        self.target.client("lambda").invoke(FunctionName=self._market.revision_function_name, Payload=event)
        state = client.get(f"/ingest/{ingest_id}").body.get("state")
        if state != "retracted":
            raise FuzzError(f"ingest {ingest_id} was not taken back: it is {state}")
        # Noted a moment later than answered: neither must be counted among those to come.
        _wait("what took it back", lambda: self._invoked(self._market.revision_function_name) >= 2)

    def _invoked(self, function: str) -> int:
        """How often, as LocalStack counted it since the journal was reset. Raises FuzzError where nobody counts."""
        journal = read_journal(self.target)
        if journal is None:
            raise FuzzError("the target counts no invocations: only the embedded one does")
        return sum(use.invocations for use in journal.functions if use.function == function)

    def _completed(self) -> set[str]:
        statuses = read_statuses(self.target, self._files.processing_table_name)
        return {file_id for file_id, found in statuses.items() if found.status.last.status is Status.COMPLETED}

    # ----------------------------------------------------------------------------------------------------------------

    def _url(self, pipeline: str) -> str:
        api = self._market.rest_api_id if pipeline == MARKET else self._files.rest_api_id
        return self.target.api_url(api, self.environment)

    def _names(self) -> frozenset[str]:
        """Names of resources that bear the environment: roles, tables, buckets, queues, functions, groups."""
        names = {
            name
            for pipeline in CONTRACTS
            for name in deployment.physical_names(self.target, self.environment, pipeline)
        }
        return frozenset(name for name in names if f"-{self.environment}" in name)

    def _calls(self, tallies: Mapping[str, Tally]) -> tuple[Calls, ...]:
        """Compare invocations with answers; what was answered may be logged a moment later."""
        market = self._market
        functions = {_INGESTION: market.ingestion_function_name, _REVISION: market.revision_function_name}
        answered = dict.fromkeys((*functions.values(), market.query_function_name), 0)
        answered[self._files.status_function_name] = tallies[FILES].of_functions()
        for (operation, _, origin), count in tallies[MARKET].answers.items():
            if origin is Origin.FUNCTION:
                answered[functions.get(operation, market.query_function_name)] += count

        def read() -> tuple[Calls, ...]:
            return tuple(Calls(name, self._invoked(name), count) for name, count in answered.items())

        def differ(calls: tuple[Calls, ...]) -> bool:
            return any(call.invoked != call.answered for call in calls)

        def agreed() -> tuple[Calls, ...] | None:
            return None if differ(calls := read()) else calls

        return wait_for(agreed, Patience(_NOTED_WITHIN_S), poll_s=_POLL_S, figure=read) or read()


def _wait(what: str, is_done: Callable[[], bool]) -> None:
    """Wait until the data is counted. Raises FuzzError."""
    if wait_for(lambda: is_done() or None, Patience(_COUNTED_WITHIN_S), poll_s=_POLL_S) is None:
        raise FuzzError(f"{what} were not counted within {_COUNTED_WITHIN_S:.0f} s")
