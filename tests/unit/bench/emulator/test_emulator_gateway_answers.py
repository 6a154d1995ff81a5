"""The gateway's refusals in the embedded target: texts of the template as they stand, and nothing that needs VTL."""

from __future__ import annotations

import json

import pytest

from bench.emulator.gateway_answers import literal_text
from generator.blocks.api import REFUSALS


def test_every_refusal_of_the_templates_is_a_literal() -> None:
    """What the stacks say is answered to the byte."""
    for refusal in REFUSALS:
        text = json.dumps({"error": {"code": refusal.code, "message": refusal.message}})
        assert literal_text({"application/json": text}) == text


@pytest.mark.parametrize(
    "templates",
    [{}, {"text/plain": "{}"}, {"application/json": '{"message":$context.error.messageString}'}],
)
def test_what_is_no_literal_is_left_to_localstack(templates: dict[str, str]) -> None:
    """A template with variables, such as the gateway's default, and one of another type."""
    assert literal_text(templates) is None


def test_a_template_that_is_no_json_is_an_error() -> None:
    """It would be no JSON on AWS either, and an answer must not hide that."""
    with pytest.raises(ValueError, match="Expecting"):
        literal_text({"application/json": "{"})
