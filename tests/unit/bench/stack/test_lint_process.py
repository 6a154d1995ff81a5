"""The run's own cfn-lint: the project's settings, and nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.errors import DeploymentError
from bench.stack.lint import Lint

if TYPE_CHECKING:
    from pathlib import Path

GOOD = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
BAD = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topik"}}}'
#: Settings under which cfn-lint finds nothing good, and nothing bad.
ELSEWHERE = "regions: [nowhere]\nignore_checks: [E, W, I]\nmandatory_checks: []\n"


@pytest.mark.parametrize("home", ["settings", "none"])
def test_the_users_settings_have_no_effect(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a .cfnlintrc in the home nor a home that is not there changes what is found."""
    work, users = tmp_path / "work", tmp_path / "home"
    work.mkdir()
    if home == "settings":
        users.mkdir()
        (users / ".cfnlintrc").write_text(ELSEWHERE)
    monkeypatch.setenv("HOME", str(users))
    template = work / "template.json"
    template.write_text(BAD)
    with Lint(template) as lint, pytest.raises(DeploymentError, match="E3006") as found:
        lint.wait()
    # The one fault and nothing else, as settings that find fault with everything would have it.
    assert str(found.value).count("template.json:") == 1


def test_a_good_template_is_let_through(tmp_path: Path) -> None:
    """Waiting for a run without findings says nothing."""
    (tmp_path / "template.json").write_text(GOOD)
    with Lint(tmp_path / "template.json") as lint:
        lint.wait()
