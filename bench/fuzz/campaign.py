"""Schemathesis against one API, round by round; equal seeds make equal choices where the API answers the same.

The first round holds the description's examples and every case at the edges of its schemas, allowed and forbidden;
each round adds random ones of both kinds. What the API answers (ingest ids) is fed back into later requests.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import schemathesis
from schemathesis.engine import events, from_schema
from schemathesis.generation import GenerationMode

from bench.errors import FuzzError
from bench.fuzz.exchange import Exchange, Origin, command, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemathesis.engine.recorder import Interaction

    from bench.fuzz.objections import Judge

_REQUEST_TIMEOUT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which answers are wrong. example: the first that was seen, as a command that sends it again."""

    operation: str
    rule: str
    seen: str
    example: str


@dataclass(slots=True)
class Tally:
    """What a campaign came to. answers: by operation, status and origin. own: LocalStack's own failures by name."""

    requests: int = 0
    rounds: int = 0
    answers: Counter[tuple[str, int, Origin]] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)
    own_examples: dict[str, str] = field(default_factory=dict)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    found: Counter[tuple[str, str]] = field(default_factory=Counter)

    def of_functions(self) -> int:
        """How many answers were functions'."""
        return sum(count for (_, _, origin), count in self.answers.items() if origin is Origin.FUNCTION)

    def object_to(self, finding: Finding) -> None:
        """Count a finding; the first of its kind is kept."""
        key = (finding.operation, finding.rule)
        self.findings.setdefault(key, finding)
        self.found[key] += 1


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is asked of one API.

    description: its OpenAPI document. url: of the stage. words: values that make some requests meet data, by parameter
    (such as `path.symbol`). judge: what else to object to.
    """

    description: Mapping[str, Any]
    url: str
    words: Mapping[str, Sequence[str]]
    judge: Judge

    def go(self, tally: Tally, *, seed: int, workers: int, examples: int) -> None:
        """Send one round: so many random requests an operation, in the first round all that is systematic besides.

        Raises FuzzError where the engine itself fails, so that nothing passes for tested.
        """
        settings = self._settings(seed + tally.rounds, workers, examples, is_first=tally.rounds == 0)
        schema = schemathesis.openapi.from_dict(dict(self.description), config=schemathesis.Config.from_dict(settings))
        schema.hook("filter_failure")(_is_of_the_api)
        for event in from_schema(schema).execute():
            if isinstance(event, events.ScenarioFinished):
                self._note(tally, event)
            elif isinstance(event, events.Interrupted):
                raise KeyboardInterrupt  # which the engine took for itself
            elif isinstance(event, events.NonFatalError):
                raise FuzzError(f"{event.label} could not be fuzzed: {event.value}") from event.value
            elif isinstance(event, events.FatalError):
                raise FuzzError(f"the fuzzer failed: {event.exception}") from event.exception
        tally.rounds += 1

    def _settings(self, seed: int, workers: int, examples: int, *, is_first: bool) -> dict[str, Any]:
        first = {"enabled": is_first}
        return {
            "seed": seed,
            "base-url": self.url,
            "workers": workers,
            "request-timeout": _REQUEST_TIMEOUT_S,
            "continue-on-failure": True,
            "suppress-health-check": ["all"],
            "cache": {"enabled": False},
            "generation": {
                "mode": "all",
                "max-examples": examples,
                # Signing is the target's to check, and LocalStack does not.
                "with-security-parameters": False,
                "database": "none",
            },
            "phases": {
                "examples": first,
                "coverage": {**first, "generate-duplicate-query-parameters": True},
                "stateful": {"enabled": False},
            },
            "checks": {
                # The gateway answers a method that a path does not have with 403, as AWS does, and not with 405.
                "unsupported_method": {"enabled": False},
                "ignored_auth": {"enabled": False},
                # `bench.fuzz.objections` knows which refusals no schema can say.
                "positive_data_acceptance": {"enabled": False},
                "negative_data_rejection": {"expected-statuses": ["400", "403", "404", "409", "413"]},
            },
            "operations": [
                # A bad tick does not refuse the others: they are judged one by one.
                {"include-name": "POST /ingest", "checks": {"negative_data_rejection": {"enabled": False}}}
            ],
            "dictionaries": {_dictionary(name): {"values": list(values)} for name, values in self.words.items()},
            "parameters": {name: {"dictionary": _dictionary(name), "probability": 0.3} for name in self.words},
            "output": {
                "sanitization": {"enabled": False},
                "truncation": {"max-recorded-payload-size": 2**30},
            },
        }

    def _note(self, tally: Tally, scenario: events.ScenarioFinished) -> None:
        recorder = scenario.recorder
        for case_id, interaction in recorder.interactions.items():
            case = recorder.cases[case_id].value
            operation = case.operation.label
            tally.requests += 1
            if interaction.response is None:
                tally.object_to(Finding(operation, "every request is answered", "no answer", _sent(interaction)))
                continue
            meta = case.meta
            exchange = _exchange(operation, interaction, allowed=meta is not None and _is_allowed(meta))
            origin, own = origin_of(exchange)
            tally.answers[operation, exchange.status, origin] += 1
            if own:
                tally.own[own] += 1
                tally.own_examples.setdefault(own, exchange.command)
            for objection in self.judge.objections(exchange):
                tally.object_to(Finding(operation, objection.rule, objection.seen, exchange.command))
        for case_id, checks in recorder.checks.items():
            operation = recorder.cases[case_id].value.operation.label
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    seen = " ".join(f"{failure.title}: {failure.message}".split())[:400]
                    sent = _sent(recorder.interactions[case_id])
                    tally.object_to(Finding(operation, check.name, seen, sent))


def _dictionary(parameter: str) -> str:
    return parameter.replace(".", "-")


def _is_allowed(meta: Any) -> bool:
    return bool(meta.generation.mode is GenerationMode.POSITIVE)


def _is_of_the_api(_context: Any, _failure: Any, case: Any, response: Any) -> bool:
    """Tell schemathesis which failures count: those that are not LocalStack's own."""
    request = response.request
    sent = request.body.encode() if isinstance(request.body, str) else request.body
    exchange = Exchange(
        operation=case.operation.label,
        method=request.method,
        uri=request.url,
        request_headers={name.lower(): value for name, value in request.headers.items()},
        request_body=sent or b"",
        allowed=False,
        status=response.status_code,
        headers={name: values[0] for name, values in response.headers.items()},
        body=response.content,
    )
    return origin_of(exchange)[0] is not Origin.LOCALSTACK


def _sent(interaction: Interaction) -> str:
    request = interaction.request
    headers = {name.lower(): values[0] for name, values in request.headers.items()}
    return command(request.method, request.uri, headers, request.body or b"")


def _exchange(operation: str, interaction: Interaction, *, allowed: bool) -> Exchange:
    request, response = interaction.request, interaction.response
    assert response is not None  # noqa: S101 - the caller has looked
    return Exchange(
        operation=operation,
        method=request.method,
        uri=request.uri,
        request_headers={name.lower(): values[0] for name, values in request.headers.items()},
        request_body=request.body or b"",
        allowed=allowed,
        status=response.status_code,
        headers={name: values[0] for name, values in response.headers.items()},
        body=response.content,
    )
