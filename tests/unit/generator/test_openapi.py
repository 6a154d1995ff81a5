from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from generator.__main__ import main
from generator.openapi import CONTRACTS, document
from tickstream.file_status import Stage, Status
from tickstream.ingests import FeedChoice, IngestState
from tickstream.promises import ASKED_STATES

ROOT = Path(__file__).resolve().parents[3]

#: What both APIs ask lists by.
LISTS = ["functions/tickstream/list_questions.py", "functions/tickstream/page_tokens.py"]
#: The modules that refuse what a caller of each API sends.
REFUSING = {
    "market-analytics": [
        "functions/market_analytics/*.py",
        "functions/services/api_requests.py",
        "functions/tickstream/sessions/*.py",
        *LISTS,
    ],
    "file-processing": ["functions/file_processing/*.py", *LISTS],
}
#: What no caller can see: the gateway routes nothing that the function does not know.
UNREACHABLE = {"unknown_route"}


def codes_in_code(patterns: list[str]) -> set[str]:
    """Return the code of every BadRequest that these modules build."""
    paths = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    assert paths
    calls = (node for path in paths for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return {
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "BadRequest"
    }


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_description_is_valid_openapi(name: str) -> None:
    """Whoever reads OpenAPI 3.0 can read the documents."""
    validate(document(CONTRACTS[name]))


def test_the_committed_descriptions_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """What is published is what the generator writes now."""
    assert main(["--openapi", "--check", str(ROOT / "docs/api")]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("harm", ["changed", "missing", "orphan"])
def test_a_stale_description_fails_naming_file_and_cure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, harm: str
) -> None:
    """A difference in either direction exits with 1, names the file, and gives the command that mends it."""
    assert main(["--openapi", "--out", str(tmp_path)]) == 0
    path = tmp_path / "market-analytics.json"
    if harm == "changed":
        path.write_text(path.read_text().replace("10,000", "20,000"))
    elif harm == "missing":
        path.unlink()
    else:
        path = tmp_path / "market-analytics-old.json"
        path.write_text("{}\n")
    capsys.readouterr()
    assert main(["--openapi", "--check", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(path) in said
    assert f"python -m generator --openapi --out {tmp_path}" in said


def test_printing_gives_the_committed_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m generator --openapi --pipeline NAME > FILE` makes the published file."""
    for name in CONTRACTS:
        assert main(["--openapi", "--pipeline", name]) == 0
        assert capsys.readouterr().out == (ROOT / "docs/api" / f"{name}.json").read_text()


@pytest.mark.parametrize("option", [["--env", "dev"], ["--format", "yaml"]])
def test_options_of_templates_are_refused(capsys: pytest.CaptureFixture[str], option: list[str]) -> None:
    """A description has no environment and one format: who asks for others is told."""
    with pytest.raises(SystemExit) as ended:
        main(["--openapi", *option])
    assert ended.value.code == 2
    assert "--openapi" in capsys.readouterr().err


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_refusal_of_the_functions_is_described_and_no_other(name: str) -> None:
    """A code that a function gives and nobody described, or that is described and never given, misleads a caller."""
    described = {
        code
        for operation in CONTRACTS[name].operations
        for refused in operation.refused.values()
        for code in refused.codes
    }
    assert described == codes_in_code(REFUSING[name]) - UNREACHABLE


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_templates_methods_are_described_and_no_other(name: str) -> None:
    """The document and the deployed API have the same calls, parameters included."""
    template = json.loads((ROOT / "templates" / f"{name}-dev.json").read_text())["Resources"]
    paths = {"": ""}
    parts = {title: one["Properties"] for title, one in template.items() if one["Type"] == "AWS::ApiGateway::Resource"}
    for title, part in parts.items():
        parent = part["ParentId"].get("Ref", "")
        above = parts[parent]["PathPart"] if parent else ""
        paths[title] = f"{'/' + above if above else ''}/{part['PathPart']}".replace("+}", "}")
    deployed: dict[tuple[str, str], set[str]] = {}
    for one in template.values():
        if one["Type"] == "AWS::ApiGateway::Method":
            taken = {named.rpartition(".")[2] for named in one["Properties"].get("RequestParameters", {})}
            path = paths[one["Properties"]["ResourceId"]["Ref"]]
            deployed[one["Properties"]["HttpMethod"].lower(), path] = taken
    described = {
        (method, path): {one["name"] for one in operation.get("parameters", ()) if one["in"] != "header"}
        for path, methods in document(CONTRACTS[name])["paths"].items()
        for method, operation in methods.items()
    }
    assert described == deployed


def test_states_are_the_functions_own() -> None:
    """The words that a caller may see are those that the functions have."""

    def words(name: str, path: str, field: str) -> list[str]:
        described: Any = document(CONTRACTS[name])
        answer = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        if "$ref" in answer:
            answer = described["components"]["schemas"][answer["$ref"].rpartition("/")[2]]
        return list(answer["properties"][field]["enum"])

    assert words("market-analytics", "/ingest/{ingestId}", "state") == list(IngestState)
    assert words("market-analytics", "/ingest/{ingestId}", "feedChosenBy") == list(FeedChoice)
    assert sorted(ASKED_STATES) == sorted(IngestState)
    assert words("file-processing", "/status/{fileId}", "status") == list(Status)
    assert words("file-processing", "/status/{fileId}", "stage") == list(Stage)
