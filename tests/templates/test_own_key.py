"""A KMS key of the customer's own: off by default, for all that rests, and for no more than each role's work."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.templates.permissions import CONDITION_KEYS, known_actions
from tests.templates.planting import GONE, plant
from tests.templates.reading import Json, Template, at, of_type, properties, ref, sub

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

type Keyed = dict[str, Template]

KEY = ref("KmsKeyArn")
EACH_OLD_KEY = {"Fn::Split": [",", ref("PreviousKmsKeyArns")]}

READS = ["kms:Decrypt"]
WRITES = ["kms:Decrypt", "kms:GenerateDataKey"]
READS_ITEMS = ["kms:Decrypt", "kms:DescribeKey"]
WRITES_ITEMS = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
]

USES: dict[str, dict[str, dict[str, list[str]]]] = {
    "market-analytics": {
        "DataIngestion": {"dynamodb": WRITES_ITEMS, "s3": WRITES, "sqs": WRITES},
        "DataIndexer": {"dynamodb": WRITES_ITEMS, "s3": WRITES, "sqs": WRITES},
        "DataProcessor": {"dynamodb": WRITES_ITEMS, "s3": WRITES, "sqs": WRITES},
        # Lambda sends to its dead-letter queue with its role.
        "DataAggregator": {"dynamodb": WRITES_ITEMS, "sqs": WRITES},
        "DataRevision": {"dynamodb": WRITES_ITEMS, "sqs": WRITES},
        "DataQuery": {"dynamodb": READS_ITEMS},
        # What it deletes it does not read.
        "BucketEmptier": {},
    },
    "file-processing": {
        "FileValidator": {"dynamodb": WRITES_ITEMS, "s3": READS, "sqs": WRITES},
        "DataProcessor": {"dynamodb": WRITES_ITEMS, "s3": READS, "sqs": WRITES},
        "ResultAggregator": {"dynamodb": WRITES_ITEMS, "sqs": READS},
        "DeadLetterRecorder": {"dynamodb": WRITES_ITEMS, "sqs": WRITES},
        "StatusQuery": {"dynamodb": READS_ITEMS},
        "BucketEmptier": {},
    },
}
"""By function, what it may do with the key, and through which service."""

OLD: dict[str, dict[str, set[str]]] = {
    "market-analytics": {
        "DataIngestion": {"dynamodb", "s3"},
        "DataIndexer": {"dynamodb", "s3", "sqs"},
        "DataProcessor": {"dynamodb", "s3", "sqs"},
        # What goes to its dead-letter queue is new.
        "DataAggregator": {"dynamodb"},
        "DataRevision": {"dynamodb"},
        "DataQuery": {"dynamodb"},
        "BucketEmptier": set(),
    },
    "file-processing": {
        "FileValidator": {"dynamodb", "s3"},
        "DataProcessor": {"dynamodb", "s3", "sqs"},
        "ResultAggregator": {"dynamodb", "sqs"},
        "DeadLetterRecorder": {"dynamodb", "sqs"},
        "StatusQuery": {"dynamodb"},
        "BucketEmptier": set(),
    },
}
"""By function, through which services it may meet what lies under a key of before."""


def encrypted(templates: Keyed) -> None:
    """Check that buckets, queues, tables and log groups are under the key, each as its service wants it."""
    for template in templates.values():
        for bucket in of_type(template, "AWS::S3::Bucket").values():
            by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
            rules = at(bucket, "BucketEncryption", "ServerSideEncryptionConfiguration")
            assert rules == [{"ServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}]
        for queue in of_type(template, "AWS::SQS::Queue").values():
            assert (queue["KmsMasterKeyId"], queue["SqsManagedSseEnabled"]) == (KEY, False)
        for table in of_type(template, "AWS::DynamoDB::Table").values():
            assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
        for group in of_type(template, "AWS::Logs::LogGroup").values():
            assert group["KmsKeyId"] == KEY


def used_narrowly(templates: Keyed) -> None:
    """Check that each role may do with the key, through each service, what is listed, and not a thing beyond it."""
    for pipeline, template in templates.items():
        of_functions = {title for title in of_type(template, "AWS::IAM::Role") if not title.endswith("LoggingRole")}
        assert of_functions == {f"{function}Role" for function in USES[pipeline]}
        for function, uses in USES[pipeline].items():
            more = properties(template, f"{function}Role")["Policies"][1:]
            found = [statement for policy in more for statement in policy["PolicyDocument"]["Statement"]]
            assert all((one["Effect"], one["Resource"]) == ("Allow", [KEY]) for one in found)
            through = {json.dumps(one["Condition"]): one["Action"] for one in found}
            assert len(through) == len(found)
            assert through == {json.dumps(via(service)): actions for service, actions in uses.items()}
            for one in found:
                assert set(one["Action"]) <= known_actions()
                assert one["Condition"]["StringEquals"].keys() <= CONDITION_KEYS


def read_under_old_keys(templates: Keyed) -> None:
    """Check that each role may decrypt, and nothing else, by keys of before, through the services that are listed."""
    for pipeline, template in templates.items():
        for function, services in OLD[pipeline].items():
            more = properties(template, f"{function}Role")["Policies"][1:]
            found = [statement for policy in more for statement in policy["PolicyDocument"]["Statement"]]
            assert all((one["Effect"], one["Resource"]) == ("Allow", EACH_OLD_KEY) for one in found)
            assert all(one["Action"] == READS for one in found)
            through = [json.dumps(one["Condition"]) for one in found]
            assert through == [json.dumps(via(service)) for service in sorted(services)]


def via(service: str) -> Json:
    """Return the condition that a request to KMS comes from a service."""
    return {"StringEquals": {"kms:ViaService": sub(f"{service}.${{AWS::Region}}.amazonaws.com")}}


def test_m20_everything_rests_under_a_key_of_ones_own(keyed: Keyed) -> None:
    """With a key, no bucket, queue, table or log group is left under another."""
    encrypted(keyed)


def test_m13_roles_may_use_the_key_for_their_work_only(keyed: Keyed) -> None:
    """A role decrypts what it reads and encrypts what it writes, through the services that hold it."""
    used_narrowly(keyed)


def test_a3_what_lies_under_keys_of_before_stays_readable(rekeyed: Keyed, keyed: Keyed) -> None:
    """Whoever reads objects, messages or the table may decrypt by the keys of before; nothing new goes under them."""
    read_under_old_keys(rekeyed)
    for template in (*rekeyed.values(), *keyed.values()):
        encrypting = [one for title, one in template["Resources"].items() if not title.endswith("Role")]
        assert "PreviousKmsKeyArns" not in json.dumps(encrypting)


@pytest.mark.parametrize("keys", range(4))
def test_a3_keys_of_before_are_named_with_commas_between(committed: Path, keys: int) -> None:
    """None, one or several keys, and neither an alias nor half a list."""
    parameters = json.loads(committed.read_text(encoding="utf-8"))["Parameters"]
    takes = re.compile(parameters["PreviousKmsKeyArns"]["AllowedPattern"]).fullmatch
    named = [f"arn:aws:kms:us-east-1:123456789012:key/{number}-b7" for number in range(keys)]
    assert takes(",".join(named))
    for wrong in (",", ",".join([*named, ""]) if keys else "alias/x", ",".join([*named, "arn:aws:kms:r:1:alias/x"])):
        assert not takes(wrong)


def test_m01_by_default_there_is_no_key(template: Template, files: Template, committed: Path) -> None:
    """Nothing speaks of a key, and the parameter is empty."""
    raw = json.loads(committed.read_text(encoding="utf-8"))
    assert raw["Parameters"]["KmsKeyArn"]["Default"] == ""
    assert raw["Conditions"]["WithOwnKey"] == {"Fn::Not": [{"Fn::Equals": [KEY, ""]}]}
    assert raw["Parameters"]["PreviousKmsKeyArns"]["Default"] == ""
    assert raw["Conditions"]["WithPreviousKeys"] == {"Fn::Not": [{"Fn::Equals": [ref("PreviousKmsKeyArns"), ""]}]}
    for one in (template, files):
        text = json.dumps(one["Resources"])
        assert "KmsKeyArn" not in text  # nor PreviousKmsKeyArns
        assert "kms:" not in text


def test_m20_the_key_policy_in_the_docs_lets_the_services_in_that_need_it(root: Path, keyed: Keyed) -> None:
    """The policy can be pasted, and names those services that use the key as themselves: for log groups, for rules."""
    text = (root / "docs" / "operations.md").read_text(encoding="utf-8")
    (policy,) = re.findall(r"^```json\n(.+?)^```", text, flags=re.MULTILINE | re.DOTALL)
    by_service = {one["Principal"].get("Service"): one for one in json.loads(policy)["Statement"]}
    assert by_service.keys() == {None, "logs.us-east-1.amazonaws.com", "events.amazonaws.com"}
    of_events = by_service["events.amazonaws.com"]
    assert of_events["Action"] == WRITES
    # A service works for everybody: for each, the key is tied to what is the account's own, by what its request names.
    account = "us-east-1:123456789012"
    assert by_service["logs.us-east-1.amazonaws.com"]["Condition"] == {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{account}:log-group:*"}
    }
    undelivered = keyed["market-analytics"]["Resources"]["RuleDeadLetterQueue"]["Properties"]["QueueName"]
    assert undelivered.startswith("RuleDeadLetterQueue-")
    assert of_events["Condition"] == {
        "ArnLike": {"kms:EncryptionContext:aws:sqs:arn": f"arn:aws:sqs:{account}:RuleDeadLetterQueue-*"},
        # Of topics AWS says that EventBridge does not name it to KMS.
        "StringEqualsIfExists": {"aws:SourceAccount": "123456789012"},
    }
    policies = json.dumps([one for t in keyed.values() for one in of_type(t, "AWS::SQS::QueuePolicy").values()])
    # EventBridge is the only service that a queue's policy lets send.
    assert set(re.findall(r'"Service": "([^"]+)"', policies)) == {"events.amazonaws.com"}


_RULE = ("BucketEncryption", "ServerSideEncryptionConfiguration", 0)
_POLICIES = ("Properties", "Policies", 1, "PolicyDocument", "Statement")


@pytest.mark.parametrize(
    ("check", "path", "value"),
    [
        (encrypted, ("RejectedMarketData", "Properties", *_RULE, "BucketKeyEnabled"), GONE),
        (encrypted, ("MarketData", "Properties", *_RULE, "ServerSideEncryptionByDefault"), {"SSEAlgorithm": "AES256"}),
        (encrypted, ("RuleDeadLetterQueue", "Properties", "KmsMasterKeyId"), "alias/aws/sqs"),
        (encrypted, ("ProcessingQueue", "Properties", "SqsManagedSseEnabled"), True),
        (encrypted, ("MarketDataState", "Properties", "SSESpecification", "KMSMasterKeyId"), GONE),
        (encrypted, ("DataQueryLogGroup", "Properties", "KmsKeyId"), GONE),
        (used_narrowly, ("DataQueryRole", *_POLICIES, 0, "Condition"), {}),
        (used_narrowly, ("DataQueryRole", *_POLICIES, 0, "Resource"), ["*"]),
        (used_narrowly, ("DataQueryRole", *_POLICIES, 0, "Action"), ["kms:*"]),
        (used_narrowly, ("DataIngestionRole", *_POLICIES, "UseKeyThroughSqs"), GONE),
        (used_narrowly, ("DataProcessorRole", "Properties", "Policies", 1), GONE),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_planted_fault_with_a_key_is_noticed(
    keyed: Keyed, check: Callable[[Keyed], None], path: tuple[str | int, ...], value: Any
) -> None:
    """The check passes on the good templates and fails on the one with the fault."""
    check(keyed)
    plant(keyed["market-analytics"], ["Resources", *path], value)
    with pytest.raises((AssertionError, KeyError)):
        check(keyed)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("DataProcessorRole", *_POLICIES, 0, "Condition"), {}),
        (("DataProcessorRole", *_POLICIES, 0, "Resource"), ["*"]),
        (("DataProcessorRole", *_POLICIES, 0, "Action"), WRITES),
        (("DataProcessorRole", *_POLICIES, "DecryptOldThroughSqs"), GONE),
        (("DataQueryRole", "Properties", "Policies", 1), GONE),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a3_a_planted_fault_with_keys_of_before_is_noticed(
    rekeyed: Keyed, path: tuple[str | int, ...], value: Any
) -> None:
    """Too much, too wide, or a service that is forgotten."""
    read_under_old_keys(rekeyed)
    plant(rekeyed["market-analytics"], ["Resources", *path], value)
    with pytest.raises((AssertionError, KeyError)):
        read_under_old_keys(rekeyed)
