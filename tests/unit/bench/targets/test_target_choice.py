from __future__ import annotations

import pytest

from bench.__main__ import main
from bench.errors import TargetError
from bench.targets import Capability, Kind, TargetChoice, open_target, require
from bench.targets.aws import AwsTarget
from bench.targets.docker import DockerTarget
from bench.targets.embedded import EmbeddedTarget
from bench.targets.endpoint import EndpointTarget
from bench.targets.localstack_settings import IAM_CHECK


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--endpoint-url", "http://127.0.0.1:4566"], "--endpoint-url"),
        (["--target", "endpoint"], "--endpoint-url"),
        (["--target", "endpoint", "--endpoint-url", "127.0.0.1:4566"], "http://"),
        (["--target", "aws", "--endpoint-url", "http://127.0.0.1:4566"], "--endpoint-url"),
        (["--image", "localstack/localstack"], "--image"),
        (["--target", "endpoint", "--endpoint-url", "http://127.0.0.1:1", "--image", "x"], "--image"),
        (["--yes"], "--yes"),
        (["--target", "docker", "--yes"], "--yes"),
        (["--target", "docker", "--no-iam-check"], "--no-iam-check"),
        (["--budget", "10"], "--budget"),
        (["--target", "aws", "--budget", "-1"], "--budget"),
        (["--target", "aws", "--budget", "ten"], "--budget"),
        (["--target", "aws", "--budget", "inf"], "--budget"),
        (["--target", "moon"], "moon"),
    ],
)
@pytest.mark.parametrize("command", [["run"], ["up"], ["down", "--env", "bench"]])
def test_targets_options_that_do_not_go_together_are_one_line(
    command: list[str], options: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A target's option without its target is a usage error that names the option, before anything is started."""
    try:
        status = main([*command, *options])
    except SystemExit as ended:
        status = int(ended.code or 0)
    said = capsys.readouterr()
    assert status == 2
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert named in said.err


def test_m13_functions_are_checked_unless_somebody_says_no() -> None:
    """The choice is a setting, which every result records, and what is not checked then is said."""
    checked, unchecked = open_target(TargetChoice()), open_target(TargetChoice(unchecked=True))
    assert (checked.settings[IAM_CHECK], unchecked.settings[IAM_CHECK]) == ("1", "0")
    assert "IAM: policies are stored and not enforced." in unchecked.not_emulated
    assert "IAM: policies are stored and not enforced." not in checked.not_emulated


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["down", "--env", "bench"], "--env"),
        (["down", "--target", "aws", "--yes"], "--env"),
        (["down", "--target", "endpoint", "--endpoint-url", "http://127.0.0.1:1"], "--env"),
        (["up", "--bare", "--target", "endpoint", "--endpoint-url", "http://127.0.0.1:1"], "--bare"),
    ],
)
def test_a_target_that_is_not_ours_is_never_ended_as_a_whole(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On somebody else's server or account one stack is named; the bench's own targets are ended as a whole."""
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert named in said


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        (TargetChoice(), EmbeddedTarget),
        (TargetChoice(Kind.DOCKER, image="mine"), DockerTarget),
        (TargetChoice(Kind.ENDPOINT, "http://127.0.0.1:1/"), EndpointTarget),
        (TargetChoice(Kind.AWS), AwsTarget),
    ],
)
def test_each_choice_opens_its_target(choice: TargetChoice, kind: type) -> None:
    """Opening a target starts nothing and gives the kind that was asked for."""
    target = open_target(choice)
    assert type(target) is kind
    assert target.kind is choice.kind


def test_what_a_target_cannot_do_is_said_in_one_line_with_what_it_was_for() -> None:
    """A run that needs faults is refused on AWS, with the option that asked for them."""
    with pytest.raises(TargetError, match=r"--faults needs fault injection.*--target aws") as said:
        require(AwsTarget(confirmed=True), [(Capability.FAULTS, "--faults")])
    assert "\n" not in str(said.value)
    require(EmbeddedTarget(), [(Capability.FAULTS, "--faults"), (Capability.JOURNAL, "the report")])
