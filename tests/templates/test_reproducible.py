from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import cfn_flip
import pytest

from generator.blocks import api
from generator.environment import Environment
from generator.pipelines import PIPELINES
from generator.templates import render

if TYPE_CHECKING:
    from pathlib import Path

    from tests.templates.reading import Template

pytestmark = pytest.mark.parametrize("pipeline", sorted(PIPELINES))


@pytest.fixture
def path(root: Path, pipeline: str) -> Path:
    """Return the path of a pipeline's committed template."""
    return root / "templates" / f"{pipeline}-dev.json"


@pytest.fixture
def whole(path: Path) -> Template:
    """Return a pipeline's committed template, parsed."""
    parsed: Template = json.loads(path.read_text(encoding="utf-8"))
    return parsed


def test_the_committed_template_is_what_the_generator_prints(root: Path, pipeline: str, path: Path) -> None:
    """Another process with another hash seed, time zone and language, in a CI run, prints the committed bytes."""
    surroundings = {"PYTHONHASHSEED": "7", "TZ": "Pacific/Chatham", "LC_ALL": "C", "CI": "true", "GITHUB_ACTOR": "me"}
    command = [sys.executable, "-m", "generator", "--env", "dev", "--pipeline", pipeline]
    done = subprocess.run(command, cwd=root, env=os.environ | surroundings, capture_output=True, check=True)
    assert done.stdout == path.read_bytes()
    assert done.stdout.endswith(b"}\n")


def test_both_formats_say_the_same(pipeline: str, whole: Template) -> None:
    """YAML is the same template, short functions and all."""
    text = render(PIPELINES[pipeline](Environment("dev")), "yaml")
    assert "!Sub" in text
    assert json.loads(cfn_flip.to_json(text)) == whole


def test_another_environment_differs_in_names_only(pipeline: str, whole: Template) -> None:
    """Two environments are the same stack under other names, so that what was tested is what is deployed."""
    other = json.loads(render(PIPELINES[pipeline](Environment("qa"))))
    deployments = [title for title in (*whole["Resources"], *other["Resources"]) if "Deployment" in title]
    text = json.dumps(other, sort_keys=True).replace("-qa", "-dev").replace("/qa", "/dev").replace("qa", "dev")
    mine, its = (title for title in deployments)
    wanted = json.dumps(whole, sort_keys=True)
    assert text.replace(its, "D").replace(its[-12:], "d") == wanted.replace(mine, "D").replace(mine[-12:], "d")


def test_a_changed_route_is_a_new_deployment(pipeline: str, whole: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    """API Gateway shows a snapshot: the deployment's id follows what it shows, and nothing else."""
    build = PIPELINES[pipeline]
    first = [title for title, one in whole["Resources"].items() if one["Type"] == "AWS::ApiGateway::Deployment"]
    assert len(first) == 1
    assert first[0] in build(Environment("dev")).to_dict()["Resources"]
    monkeypatch.setattr(api, "FUNCTION_TIMEOUT_S", api.FUNCTION_TIMEOUT_S - 1)
    assert first[0] not in build(Environment("dev")).to_dict()["Resources"]


def test_the_template_fits_cloudformation(pipeline: str, path: Path, whole: Template) -> None:
    """CloudFormation takes 1 MB, 500 resources and 200 outputs, by way of a bucket."""
    assert pipeline in path.name
    assert path.stat().st_size < 1_000_000
    assert len(whole["Resources"]) <= 500
    assert len(whole["Outputs"]) <= 200
