"""One request that was answered, as the journal counts it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.emulator.dynamodb.units import NOTHING, Units

type Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Served:
    """One request that was answered. answer: None where it failed, or where its service gave nothing to read.

    units: what DynamoDB consumed.
    """

    service: str
    operation: str
    caller: str
    status: int
    request_bytes: int
    response_bytes: int
    request: Parameters
    answer: Parameters | None
    units: Units = NOTHING
