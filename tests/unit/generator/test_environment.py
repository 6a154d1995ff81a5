from __future__ import annotations

import pytest

from generator.environment import MAX_ENVIRONMENT_LENGTH, Environment
from generator.errors import EnvironmentNameError
from generator.pipelines import PIPELINES

BAD_CHARACTERS = [
    "Dev",
    "dev_1",
    "-dev",
    "dev-",
    "de--v",
    "de v",
    " dev",
    "de.v",
    "dév",
    "dev\n",
    "\tdev",
    "de/v",
    "${AWS::Region}",
    "٣",
    "-",
]


@pytest.mark.parametrize("name", ["dev", "d", "1", "pr-1042", "x" * MAX_ENVIRONMENT_LENGTH])
def test_good_names_are_taken(name: str) -> None:
    """What S3 takes in a bucket's name is taken."""
    assert Environment(name).name == name


@pytest.mark.parametrize("name", BAD_CHARACTERS)
def test_bad_characters_are_refused_naming_the_limit(name: str) -> None:
    """The message is one line and says whose limit it is."""
    with pytest.raises(EnvironmentNameError, match="S3's limit on bucket names") as caught:
        Environment(name)
    assert "\n" not in str(caught.value)


def test_an_empty_name_is_refused() -> None:
    """The message says how long a name must be."""
    with pytest.raises(EnvironmentNameError, match="1 character"):
        Environment("")


def test_a_long_name_is_refused_naming_the_limit() -> None:
    """The message has the length, the limit and the name that sets it."""
    with pytest.raises(EnvironmentNameError, match=r"has 15 characters, the limit is 14: bucket market-data-rejected"):
        Environment("x" * 15)


def test_the_limit_is_the_longest_bucket_name() -> None:
    """With the longest name every name in both stacks fits its service, the longest bucket name exactly."""
    environment = Environment("x" * MAX_ENVIRONMENT_LENGTH)
    resources = [one for build in PIPELINES.values() for one in build(environment).to_dict()["Resources"].values()]

    def longest(kind: str, name: str) -> int:
        found = [one["Properties"][name] for one in resources if one["Type"] == kind]
        texts = [value["Fn::Sub"] if isinstance(value, dict) else value for value in found]
        full = [
            text.replace("${AWS::AccountId}", "1" * 12).replace("${AWS::Region}", "ap-southeast-1") for text in texts
        ]
        return max(map(len, full))

    assert longest("AWS::S3::Bucket", "BucketName") == 63
    assert longest("AWS::IAM::Role", "RoleName") <= 64
    assert longest("AWS::Lambda::Function", "FunctionName") <= 64
    assert longest("AWS::SQS::Queue", "QueueName") <= 80
    assert longest("AWS::Events::Rule", "Name") <= 64


def physical_names(environment: str) -> set[tuple[str, str, str]]:
    """Return type, property and text of each name in both stacks that an account, or a region of it, has once."""
    resources = [
        one for build in PIPELINES.values() for one in build(Environment(environment)).to_dict()["Resources"].values()
    ]
    found = set()
    for resource in resources:
        for name, value in resource.get("Properties", {}).items():
            text = value.get("Fn::Sub", "") if isinstance(value, dict) else value
            if name.endswith("Name") and isinstance(text, str) and f"-{environment}" in text:
                found.add((resource["Type"], name, text))
    return found


def test_no_two_environments_share_a_name() -> None:
    """Any words of any resource's name before `9` make an environment that is refused, or has names of its own."""
    others = physical_names("9")
    bases = {text.partition("-9")[0] for _, _, text in others}
    tails = {"-".join(base.split("-")[start:]).lower() for base in bases for start in range(base.count("-") + 1)}
    refused = set()
    for word in sorted(tail for tail in tails if len(tail) + len("-9") <= MAX_ENVIRONMENT_LENGTH):
        try:
            assert not physical_names(f"{word}-9") & others, word
        except EnvironmentNameError as error:
            if "collides" in str(error):
                refused.add(word)
    assert refused == {"rejected", "dead-letter"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rejected-dev", "collides with environment 'dev': .*bucket market-data-rejected-dev-"),
        ("dead-letter-x", "collides with environment 'x': .*queue data-processor-dead-letter-x.fifo"),
    ],
)
def test_a_collision_is_refused_naming_what_collides(name: str, said: str) -> None:
    """The message names the other environment and the resource that both would have."""
    with pytest.raises(EnvironmentNameError, match=said) as caught:
        Environment(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["rejected", "dead-letter", "rejectedx", "dev-rejected"])
def test_a_name_that_only_looks_like_a_collision_is_taken(name: str) -> None:
    """What stands between a name and another environment is a whole word with something after it."""
    assert Environment(name).name == name
