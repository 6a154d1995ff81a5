"""Tags of the user's own: on everything that has the stack's, and nothing that a service would refuse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from generator.__main__ import main
from generator.environment import Environment
from generator.errors import TagError
from generator.pipelines import PIPELINES
from generator.tags import MOST, own_tags

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_tag_is_on_every_resource_that_has_any(pipeline: str) -> None:
    """Beside the required ones, whose values it cannot change."""
    plain, tagged = (
        PIPELINES[pipeline](Environment("dev"), tags).to_dict()["Resources"] for tags in ((), ("CostCenter=47/11=a",))
    )
    own = {"Key": "CostCenter", "Value": "47/11=a"}
    count = 0
    for title, one in plain.items():
        before: list[Any] = one["Properties"].get("Tags", []) if "Properties" in one else []
        if before:
            after = tagged[title]["Properties"]["Tags"]
            assert own in after
            assert [tag for tag in after if tag != own] == before
            count += 1
    assert count >= 20


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["CostCenter"], "write NAME=VALUE"),
        (["=x"], "write NAME=VALUE"),
        (["Environment=Test"], "the stack's own"),
        (["a=1", "a=2"], "given twice"),
        (["AWS:x=1"], "AWS's own"),
        (["a" * 129 + "=1"], "too long"),
        (["a=" + "1" * 257], "too long"),
        (["a=b;c"], "what every service takes"),
        ([f"t{number}=" for number in range(MOST + 1)], "40 of your own"),
    ],
)
def test_what_a_service_would_refuse_is_refused_here(texts: list[str], said: str) -> None:
    """Before anything is deployed, in one line."""
    with pytest.raises(TagError, match=said) as raised:
        own_tags(texts, {"Environment": "Production"})
    assert "\n" not in str(raised.value)


def test_the_command_takes_tags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, written and checked with the same tags; without them the folder is stale, and it says the command."""
    tags = ["--tag", "Team=Risk", "--tag", "Owner="]
    assert main(["--out", str(tmp_path), *tags]) == 2  # Team is file processing's own
    assert "the stack's own: it is Analytics" in capsys.readouterr().err
    tags = ["--tag", "Unit=Risk one", "--tag", "Owner="]
    assert main(["--out", str(tmp_path), *tags]) == 0
    assert main(["--check", str(tmp_path), *tags]) == 0
    assert main(["--check", str(tmp_path)]) == 1
    capsys.readouterr()
    assert main([*tags]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "market-analytics-dev.json").read_text())
    (tmp_path / "market-analytics-dev.json").unlink()
    assert main(["--check", str(tmp_path), *tags]) == 1
    assert "--tag 'Unit=Risk one' --tag Owner=" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--openapi", *tags])
