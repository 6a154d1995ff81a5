"""Which rule hits a request or an invocation, counted and marked.

`bench.emulator.faults.injection` (requests) and `bench.emulator.functions.process_executor` (invocations) ask here,
from many threads.
"""

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.faults import Action, FaultRule

#: So many hits of a rule are marked with their time; all are counted.
MAX_MARKS: Final = 1000
_KILLS: Final = frozenset({Action.KILL_BEFORE, Action.KILL_AFTER})


@dataclass(slots=True)
class _Record:
    """What has become of a rule: how many requests it named, how many it hit, and when."""

    matched: int = 0
    hits: int = 0
    marks_ms: list[int] = field(default_factory=list)


class Faults:
    """The rules that apply, and what each has hit. Called from as many threads as requests come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._rules: dict[str, FaultRule] = {}
        self._records: dict[str, _Record] = {}
        # Replaced as a whole, so that it can be asked without the lock.
        self._operations: frozenset[tuple[str, str]] = frozenset()

    def add(self, rules: Sequence[FaultRule]) -> None:
        """Have rules apply; one of a name that is there replaces it, and its hits begin at 0."""
        with self._lock:
            for rule in rules:
                self._rules[rule.name] = rule
                self._records[rule.name] = _Record()
            self._note_operations()

    def remove(self, name: str) -> None:
        """Have one rule apply no more; what it has hit stays on record."""
        with self._lock:
            self._rules.pop(name, None)
            self._note_operations()

    def clear(self) -> None:
        """Have no rule apply any more, and forget what they have hit."""
        with self._lock:
            self._rules.clear()
            self._records.clear()
            self._note_operations()

    def hold(self, rule: FaultRule) -> None:
        """Return after a rule's `delay_s`, or as soon as the rule applies no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._rules.get(rule.name) is not rule, rule.delay_s)

    def concern(self, service: str, operation: str) -> bool:
        """Say whether any rule is about an operation. Cheap: what no rule is about must cost nothing."""
        return (service, operation) in self._operations

    def hits(self) -> dict[str, int]:
        """Return hits by rule, of rules that were removed too."""
        with self._lock:
            return {name: record.hits for name, record in self._records.items()}

    def marks(self) -> list[tuple[str, int]]:
        """Return rule and time (epoch ms) of each marked hit, in the order of time."""
        with self._lock:
            marks = [(name, at_ms) for name, record in self._records.items() for at_ms in record.marks_ms]
        return sorted(marks, key=lambda mark: mark[1])

    def hit(
        self, service: str, operation: str, function: str, parameters: object, *, killable: bool = True
    ) -> FaultRule | None:
        """Return the rule that hits, counting and marking the hit; None where none does.

        function: whose request or invocation this is, empty for nobody's.
        parameters: the request's, or the event.
        killable: whether a process is known that could be killed; without one, rules that kill match nothing.
        """
        with self._lock:
            candidates = [
                rule
                for rule in self._rules.values()
                if (rule.service, rule.operation) == (service, operation)
                and rule.function in {"", function}
                and (killable or rule.action not in _KILLS)
            ]
        # Not under the lock: a batch has many texts.
        texts = tuple(_texts(parameters)) if any(rule.contains for rule in candidates) else ()
        for rule in candidates:
            if (not rule.contains or any(rule.contains in text for text in texts)) and self._decide(rule):
                return rule
        return None

    def _decide(self, rule: FaultRule) -> bool:
        with self._lock:
            if self._rules.get(rule.name) is not rule:
                return False
            record = self._records[rule.name]
            record.matched += 1
            if record.matched <= rule.skip or (rule.times is not None and record.hits >= rule.times):
                return False
            # A generator for each decision: it depends on nothing but seed, name and count.
            chance = random.Random(f"{rule.seed} {rule.name} {record.matched}").random()  # noqa: S311 - no secret
            if chance >= rule.rate:
                return False
            record.hits += 1
            if len(record.marks_ms) < MAX_MARKS:
                record.marks_ms.append(time.time_ns() // 1_000_000)
            return True

    def _note_operations(self) -> None:
        self._operations = frozenset((rule.service, rule.operation) for rule in self._rules.values())
        self._changed.notify_all()


#: This LocalStack's rules.
FAULTS: Final = Faults()


def _texts(value: object) -> Iterator[str]:
    """Yield every text among a request's parameters, keys of mappings excepted."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
