"""Permissions that are missing, and calls that nobody allowed: both turn the run red.

`python -m bench permissions --withhold` withholds every permission of both pipelines; here are four.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.iam.refusals import NO_REFUSAL, judge_refusals
from bench.ledger.api_client import ApiClient
from bench.mutants.build import build_mutant
from bench.mutants.conditions import CALM
from bench.mutants.mutant import Edit, Mutant
from bench.permissions.granted import granted_by
from bench.permissions.market_load import PARAMETERS
from bench.permissions.survey import Stack, access_of
from bench.permissions.withhold import withhold
from bench.stack import deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.targets import Target

ENVIRONMENT = "withheld"
#: Where an ingest is asked for, the table is to be deleted.
DELETES_THE_TABLE = Mutant(
    "deletes-the-table",
    "a reader deletes the table",
    (
        Edit(
            "market_analytics/data_query.py",
            "        _refuse_parameters(event)\n        return ingest_status(",
            "        _refuse_parameters(event)\n"
            '        __import__("boto3").client("dynamodb").delete_table(TableName=config.table_name)\n'
            "        return ingest_status(",
        ),
    ),
    (NO_REFUSAL,),
    CALM,
)


@pytest.fixture(scope="module")
def stack(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Deploy market analytics with a reader that makes one forbidden call."""
    build = build_mutant(DELETES_THE_TABLE, ENVIRONMENT, tmp_path_factory.mktemp("forbidden"))
    deployment.create(target, ENVIRONMENT, build, PARAMETERS)
    deployed = Stack(target, ENVIRONMENT, deployment.PIPELINE)
    deployed.read()
    yield deployed
    deployment.destroy(target, ENVIRONMENT)


@pytest.mark.parametrize(
    ("function", "action"),
    [
        ("DataIndexer", "s3:PutObject"),
        ("DataProcessor", "s3:GetObjectVersion"),
        ("DataAggregator", "dynamodb:UpdateItem"),
        ("DataQuery", "dynamodb:Query"),
    ],
)
def test_m13_a_withheld_permission_turns_the_run_red(stack: Stack, function: str, action: str) -> None:
    """The load runs into what is missing, the verdict's check says so, and afterwards the role is as it was."""
    role = next(role for role in stack.granted if role.startswith(function))
    found = withhold(stack, role, action)

    assert found.noticed
    assert (found.check.name, found.check.passed) == (NO_REFUSAL, False)
    assert f"because no identity-based policy allows the {action} action" in found.check.detail
    assert granted_by(stack.target, ENVIRONMENT, stack.pipeline) == stack.granted


def test_m13_a_forbidden_call_in_a_functions_code_is_refused(stack: Stack) -> None:
    """A function that deletes its table is told that it may not, the run is red, and the table is there."""
    target = stack.target
    outputs = deployment.outputs_of(target, ENVIRONMENT)
    before = access_of(target)
    answer = ApiClient(target, target.api_url(outputs.rest_api_id, ENVIRONMENT)).get(f"/ingest/{'0' * 32}")

    assert answer.status == 500
    check = judge_refusals(access_of(target).since(before), stack.granted)
    assert not check.passed
    assert "dynamodb:DeleteTable" in check.detail
    assert "with an explicit deny in an identity-based policy" in check.detail
    assert target.client("dynamodb").describe_table(TableName=outputs.table_name)["Table"]["TableStatus"] == "ACTIVE"
