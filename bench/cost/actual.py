"""What AWS has billed for a run, beside what was predicted before it: Cost Explorer's answer, by service.

Cost Explorer knows days, accounts and regions, not runs. What of a day was the run's stack's it tells where the account
has activated the tag `aws:cloudformation:stack-name` for its costs (Billing, "Cost allocation tags"); where it has not,
all stands under no stack, and the region's whole bill of those days is an upper bound.

Its days are known some 24 hours after they have ended, and estimates until the month is billed. One request is made,
which itself costs a cent (https://aws.amazon.com/aws-cost-management/pricing/).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bench.errors import ResultError, TargetError
from bench.files import write_whole
from bench.report.result import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from pathlib import Path

    from bench.report.result import Result

#: Services as Cost Explorer calls them, to the price table's names; what is billed of others keeps its name.
_NAMES: Final[Mapping[str, str]] = {
    "AWS Lambda": "Lambda",
    "AWS X-Ray": "X-Ray",
    "Amazon API Gateway": "API Gateway",
    "Amazon DynamoDB": "DynamoDB",
    "Amazon EventBridge": "EventBridge",
    "CloudWatch Events": "EventBridge",
    "Amazon Simple Queue Service": "SQS",
    "Amazon Simple Storage Service": "S3",
    "AmazonCloudWatch": "CloudWatch",
}
#: Cost Explorer bills logs and metrics as one service.
_TOGETHER: Final[Mapping[str, str]] = {"CloudWatch Logs": "CloudWatch"}
_STACK_TAG: Final = "aws:cloudformation:stack-name"
#: Cost Explorer is one service of the whole partition, in this region.
_REGION: Final = "us-east-1"
_CLIENT: Final = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 4})


@dataclass(frozen=True, slots=True)
class Line:
    """One service: dollars as predicted, as billed to the run's stack, and to the whole region in these days."""

    service: str
    predicted: Decimal
    of_the_stack: Decimal
    of_the_region: Decimal


@dataclass(frozen=True, slots=True)
class Actual:
    """What was billed for the days of a run, from `first` to before `end` (UTC), largest first.

    is_final: whether AWS no longer calls it an estimate. knows_stack: whether anything stands under the stack's name.
    """

    first: date
    end: date
    is_final: bool
    lines: tuple[Line, ...]

    @property
    def knows_stack(self) -> bool:
        """Whether the account tells costs by stack, so that the run's own are known."""
        return any(line.of_the_stack for line in self.lines)

    def facts(self) -> dict[str, Any]:
        """Return it in plain JSON, dollars as text."""
        return {
            "first_day": self.first.isoformat(),
            "end_day": self.end.isoformat(),
            "is_final": self.is_final,
            "services": {
                line.service: {
                    "predicted_usd": str(line.predicted),
                    "stack_usd": str(line.of_the_stack),
                    "region_usd": str(line.of_the_region),
                }
                for line in self.lines
            },
        }


def actual_of(result: Result) -> Actual:
    """Ask Cost Explorer for the days of a run on AWS. Raises ResultError for other runs, TargetError.

    TargetError where it cannot be asked, and where it has nothing yet.
    """
    if result.predicted_usd is None:
        raise ResultError("AWS has billed nothing for it: it was no run with --target aws")
    region = result.target.get("region") or _REGION
    first = result.began.date()
    end = (result.began + timedelta(seconds=sum(result.phases_s.values()))).date() + timedelta(days=1)
    days = _ask(first, end, region)
    of_stack: dict[str, Decimal] = {}
    of_region: dict[str, Decimal] = {}
    for service, tag, dollars in _groups(days):
        of_region[service] = of_region.get(service, Decimal(0)) + dollars
        if tag == result.stack:
            of_stack[service] = of_stack.get(service, Decimal(0)) + dollars
    if not of_region:
        raise TargetError(
            f"Cost Explorer has nothing yet of {first} in {region}: it takes a day after the last one; ask again then"
        )
    predicted = _predicted(result.predicted_usd)
    lines = [
        Line(service, predicted.get(service, none), of_stack.get(service, none), of_region.get(service, none))
        for none in (Decimal(0),)
        for service in predicted.keys() | of_region.keys()
    ]
    lines.sort(key=lambda line: (-max(line.of_the_stack, line.predicted), line.service))
    return Actual(first, end, not any(day.get("Estimated", True) for day in days), tuple(lines))


def keep(path: Path, actual: Actual) -> None:
    """Write it into the run's result file, beside what was predicted; what was written before is replaced."""
    file = path / FILE_NAME if path.is_dir() else path
    fields = json.loads(file.read_bytes())
    write_whole(file, json.dumps({**fields, "billed": actual.facts()}, indent=2) + "\n")


def _ask(first: date, end: date, region: str) -> list[dict[str, Any]]:
    asked = {
        "TimePeriod": {"Start": first.isoformat(), "End": end.isoformat()},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "Filter": {"Dimensions": {"Key": "REGION", "Values": [region]}},
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "TAG", "Key": _STACK_TAG}],
    }
    days: list[dict[str, Any]] = []
    try:
        client = boto3.session.Session().client("ce", region_name=_REGION, config=_CLIENT)
        while True:
            answer = client.get_cost_and_usage(**asked)
            days += answer["ResultsByTime"]
            if not (token := answer.get("NextPageToken")):
                return days
            asked["NextPageToken"] = token
    except (BotoCoreError, ClientError) as error:
        raise TargetError(f"Cost Explorer cannot be asked: {error}") from error


def _groups(days: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str, Decimal]]:
    """Yield service, stack (empty where there is none) and dollars."""
    for day in days:
        for group in day.get("Groups", ()):
            service, tag = group["Keys"]
            dollars = Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
            yield _NAMES.get(service, service), tag.partition("$")[2], dollars


def _predicted(by_service: Mapping[str, str]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for service, dollars in by_service.items():
        name = _TOGETHER.get(service, service)
        found[name] = found.get(name, Decimal(0)) + Decimal(dollars)
    return found
