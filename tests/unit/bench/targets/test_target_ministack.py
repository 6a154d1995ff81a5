import json

import pytest

from bench.errors import TargetError
from bench.stack import deployment
from bench.targets import Kind, TargetChoice, ministack, open_target
from bench.targets.literals import with_literals
from bench.targets.ministack import MiniStackTarget


def template(properties: object) -> str:
    """A template with two numbers, one without a default, and a text."""
    parameters = {
        "Number": {"Type": "Number", "Default": 5},
        "Open": {"Type": "Number"},
        "Text": {"Type": "String", "Default": "5"},
    }
    return json.dumps({"Parameters": parameters, "Resources": {"One": {"Type": "T", "Properties": properties}}})


def written(properties: object, **given: str) -> object:
    """What becomes of the properties."""
    return json.loads(with_literals(template(properties), given))["Resources"]["One"]["Properties"]


def test_a_number_parameter_becomes_a_number_where_it_is_used() -> None:
    """MiniStack would make text of it, and poll no queue; a text parameter and one without a value stay."""
    refs = {name: [{"Ref": name}] for name in ("Number", "Open", "Text")}
    assert written(refs) == {"Number": [5], "Open": [{"Ref": "Open"}], "Text": [{"Ref": "Text"}]}
    assert written(refs, Number="7", Open="2.5") == {"Number": [7], "Open": [2.5], "Text": [{"Ref": "Text"}]}


def test_a_number_among_a_functions_variables_stays_text() -> None:
    """MiniStack hands a number there to the process as it is, which no process can start with."""
    variables = {
        "Environment": {"Variables": {"SIZE": {"Ref": "Number"}}},
        "Name": {"Fn::Join": ["", [{"Ref": "Number"}]]},
    }
    assert written(variables) == variables


def test_no_number_parameter_of_a_pipeline_is_left_where_a_number_is_wanted() -> None:
    """Whatever the template is: the concurrency of every mapping is a number, and alarms are off."""
    changed, given = MiniStackTarget().adapted(deployment.generate("dev"), {"ProcessorMaxConcurrency": "9"})
    found = [
        one["Properties"]["ScalingConfig"]["MaximumConcurrency"]
        for one in json.loads(changed)["Resources"].values()
        if one["Type"] == "AWS::Lambda::EventSourceMapping" and "ScalingConfig" in one["Properties"]
    ]
    assert found
    assert all(isinstance(one, int) for one in found)
    assert 9 in found
    assert given["Alarms"] == "DISABLED"


def test_where_it_is_not_installed_one_line_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback of an import."""
    monkeypatch.setattr(ministack, "DISTRIBUTION", "ministack-that-is-not-there")
    with pytest.raises(TargetError, match=r"not installed: .*tickstream\[ministack\]"):
        MiniStackTarget().start()


def test_it_cannot_be_left_running() -> None:
    """It ends with the bench: what to do instead is said."""
    with pytest.raises(TargetError, match="--target endpoint"):
        open_target(TargetChoice(Kind.MINISTACK), detached=True)
