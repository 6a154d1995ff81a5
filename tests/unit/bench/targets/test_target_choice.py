from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.__main__ import main
from bench.engine import DISTRIBUTIONS, ENGINE_VARIABLE
from bench.errors import TargetError
from bench.targets import Capability, Kind, TargetChoice, open_target, require
from bench.targets.aws import AwsTarget
from bench.targets.docker import DockerTarget
from bench.targets.embedded import EmbeddedTarget
from bench.targets.endpoint import EndpointTarget
from bench.targets.localstack_settings import IAM_CHECK, engine_settings, localstack_environment

if TYPE_CHECKING:
    from pathlib import Path


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


def test_the_engine_is_of_the_embedded_target_and_must_be_one() -> None:
    """A misspelt engine must not run on LocalStack and be taken for another's verdict."""
    with pytest.raises(TargetError, match="--engine is of --target embedded"):
        TargetChoice(Kind.ENDPOINT, "http://127.0.0.1:1", engine="localemu")
    assert engine_settings({})[ENGINE_VARIABLE] == "localstack"
    with pytest.raises(TargetError, match="localstack or localemu, not 'localemo'"):
        engine_settings({ENGINE_VARIABLE: "localemo"})


def test_an_engine_that_the_environment_names_is_inherited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The processes of the engine get its name, their address under its own variable, and the IAM check off."""
    monkeypatch.setenv(ENGINE_VARIABLE, "localemu")
    environment = localstack_environment(engine_settings({IAM_CHECK: "1"}), tmp_path, 1234, "token")
    assert environment[ENGINE_VARIABLE] == "localemu"
    assert environment["LOCALEMU_HOST"] == "127.0.0.1:1234"
    assert environment[IAM_CHECK] == "0"


def test_an_engine_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started, and nothing is tried on another engine."""
    monkeypatch.setitem(DISTRIBUTIONS, "localemu", "localemu-that-is-not-there")
    with pytest.raises(TargetError, match="localemu-that-is-not-there is not installed"):
        open_target(TargetChoice(engine="localemu")).start()
