"""Routes match and build as ever, though what builds their URLs is compiled when it is asked for."""

from __future__ import annotations

import pytest
from werkzeug.routing import Map, Rule

from bench.emulator import start_up

ROUTES = ("/", "/<Bucket>", "/<Bucket>/<path:Key>", "/2015-03-31/functions/<FunctionName>/code", "/a//b/<int:number>/")
BUILT: tuple[tuple[str, dict[str, object]], ...] = (
    ("/", {}),
    ("/<Bucket>", {"Bucket": "a b"}),
    ("/<Bucket>/<path:Key>", {"Bucket": "b", "Key": "x/y z", "versionId": "7"}),
    ("/a//b/<int:number>/", {"number": 12, "more": ["1", "2"]}),
)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[Rule]:
    """Have routes compiled as in LocalStack; the ones whose builder was compiled."""
    compiled: list[Rule] = []
    as_ever = Rule._compile_builder

    def seen(rule: Rule, append_unknown: bool = True) -> object:  # noqa: FBT001, FBT002 - as werkzeug has it
        compiled.append(rule)
        return as_ever(rule, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", seen)
    start_up.build_when_asked()
    return compiled


def routes() -> Map:
    """A map of all routes, as S3's and Lambda's are."""
    return Map([Rule(route, endpoint=route) for route in ROUTES])


def test_a_route_that_only_matches_is_not_compiled(later: list[Rule]) -> None:
    """Matching needs nothing of what builds URLs."""
    urls = routes().bind("localhost")
    assert urls.match("/bucket/a/key") == ("/<Bucket>/<path:Key>", {"Bucket": "bucket", "Key": "a/key"})
    assert urls.match("/2015-03-31/functions/name/code")[1] == {"FunctionName": "name"}
    assert later == []


def test_a_url_is_built_as_ever(later: list[Rule]) -> None:
    """With values, with more than it has, and again without compiling anew."""
    urls = routes().bind("localhost")
    built = [urls.build(endpoint, values) for endpoint, values in BUILT for _ in range(2)]
    assert built == [
        url for url in ("/", "/a%20b", "/b/x/y%20z?versionId=7", "/a/b/12/?more=1&more=2") for _ in range(2)
    ]
    assert len(later) == len({id(rule) for rule in later}) == len(BUILT)
