"""What the embedded target's IAM check has seen: which grants functions used, and what it refused them.

`bench.emulator.access.check` keeps it. A target that checks nothing has none, and then nothing is said of permissions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import urllib3

from bench.errors import TargetError
from bench.targets import Capability

if TYPE_CHECKING:
    from bench.targets import Target

ACCESS_PATH: Final = "/_bench/access"
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Use:
    """Requests of a function that one grant of its role allowed. role: its name. action, resource: as granted."""

    role: str
    function: str
    action: str
    resource: str
    requests: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Requests of a function that were refused. action, resource: as asked. message: what the function was told."""

    role: str
    function: str
    action: str
    resource: str
    message: str
    requests: int


@dataclass(frozen=True, slots=True)
class Access:
    """All since LocalStack's start, or since an earlier look."""

    uses: tuple[Use, ...]
    refusals: tuple[Refusal, ...]

    def since(self, earlier: Access) -> Access:
        """Return what has come since an earlier look."""
        return Access(_later(self.uses, earlier.uses), _later(self.refusals, earlier.refusals))


def _later[Seen: (Use, Refusal)](now: tuple[Seen, ...], then: tuple[Seen, ...]) -> tuple[Seen, ...]:
    before = {replace(one, requests=0): one.requests for one in then}
    grown = (replace(one, requests=one.requests - before.get(replace(one, requests=0), 0)) for one in now)
    return tuple(one for one in grown if one.requests)


def read_access(target: Target) -> Access | None:
    """Return the record, None where the target checks nothing. Raises TargetError where nobody answers."""
    if Capability.JOURNAL not in target.capabilities:
        return None
    fields = _get(f"{target.endpoint_url}{ACCESS_PATH}")
    if not fields["checked"]:
        return None
    return Access(
        uses=tuple(Use(**one) for one in fields["uses"]),
        refusals=tuple(Refusal(**one) for one in fields["refusals"]),
    )


def _get(url: str) -> Any:
    try:
        answer = urllib3.request("GET", url, timeout=_TIMEOUT_S, retries=False)
        if answer.status != 200:
            raise TargetError(f"GET {ACCESS_PATH} was answered {answer.status}")
        return answer.json()
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise TargetError(f"GET {ACCESS_PATH} failed: {error}") from error
