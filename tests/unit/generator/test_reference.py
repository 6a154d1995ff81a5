"""The reference of a template tells what the template has, no more and no less."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any, Final

import pytest

from generator.__main__ import main
from generator.environment import Environment
from generator.pipelines import PIPELINES
from generator.reference import render

ROOT: Final = Path(__file__).parents[3]
TEMPLATES: Final = {name: build(Environment("dev")).to_dict() for name, build in PIPELINES.items()}


def _arrows(template: dict[str, Any]) -> set[tuple[str, str, str]]:
    found = re.findall(r"^    (\w+) (==>|-->|---|-\.->)(?:\|.*\|)? (\w+)$", render("any", template), re.MULTILINE)
    return set(found)


def test_the_ways_of_ticks_are_drawn() -> None:
    """What wakes, what is written, and where it ends when it fails, of market analytics."""
    assert {
        ("MarketData", "==>", "DataIngestion"),
        ("MarketDataAPI", "==>", "DataIngestion"),
        ("DataIngestion", "-->", "ProcessingQueue"),
        ("ProcessingQueue", "==>", "DataProcessor"),
        ("ProcessingQueue", "-.->", "ProcessingDeadLetterQueue"),
        ("DataProcessor", "-->", "MarketDataProcessed"),
        ("MarketDataProcessed", "==>", "DataAggregator"),
        ("DataAggregator", "-.->", "AggregatorDeadLetterQueue"),
        ("DataQuery", "---", "MarketDataState"),
    } <= _arrows(TEMPLATES["market-analytics"])


def test_the_stages_of_files_are_drawn() -> None:
    """One leads to the next by queues, and dead letters to who records them."""
    assert {
        ("Files", "==>", "FileValidator"),
        ("FileValidator", "-->", "DataProcessorQueue"),
        ("DataProcessorQueue", "==>", "DataProcessor"),
        ("DataProcessor", "-->", "ResultAggregatorQueue"),
        ("DataProcessorDeadLetterQueue", "==>", "DeadLetterRecorder"),
    } <= _arrows(TEMPLATES["file-processing"])


def test_what_is_not_deployed_is_not_drawn() -> None:
    """A mapping that is taken out of the template takes its arrow with it."""
    template = copy.deepcopy(TEMPLATES["market-analytics"])
    (title,) = (title for title in template["Resources"] if title.startswith("DataProcessorFromProcessingQueue"))
    del template["Resources"][title]
    assert _arrows(TEMPLATES["market-analytics"]) - _arrows(template) == {("ProcessingQueue", "==>", "DataProcessor")}


@pytest.mark.parametrize("pipeline", TEMPLATES)
def test_every_parameter_output_and_grant_is_told(pipeline: str) -> None:
    """Names, defaults and bounds of parameters; outputs; each action of each function."""
    template = TEMPLATES[pipeline]
    text = render(pipeline, template)
    for name, one in template["Parameters"].items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
        assert one["Description"] in row
        assert str(one.get("MaxValue", "")) in row
    assert all(f"| `{key}` |" in text for key in template["Outputs"])
    for title, one in template["Resources"].items():
        if one["Type"] == "AWS::Lambda::Function" and title != "BucketEmptier":
            rows = re.findall(rf"^\| {title} \| (.*) \| .* \|$", text, re.MULTILINE)
            assert any("dynamodb:" in row for row in rows), title


def test_the_deployment_page_has_market_analytics_parameters() -> None:
    """Its table, which says more, has every parameter but where the code lies, with the template's default."""
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", page, re.MULTILINE))
    parameters = TEMPLATES["market-analytics"]["Parameters"]
    wanted = {name: str(one["Default"]) or "empty" for name, one in parameters.items() if "Default" in one}
    assert {name: default.strip("`") for name, default in told.items()} == wanted


def test_the_command_writes_prints_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Like the templates: a folder that is stale is status 1, and another environment makes no sense."""
    assert main(["--reference", "--out", str(tmp_path)]) == 0
    assert main(["--reference", "--check", str(tmp_path)]) == 0
    (tmp_path / "market-analytics.md").write_text("old\n", encoding="utf-8")
    assert main(["--reference", "--check", str(tmp_path)]) == 1
    assert "to regenerate: python -m generator --reference --out" in capsys.readouterr().err
    assert main(["--reference", "--pipeline", "file-processing"]) == 0
    assert capsys.readouterr().out.startswith("# File processing: the template")
    with pytest.raises(SystemExit, match="2"):
        main(["--reference", "--env", "dev"])
