"""What LocalStack computes until a stack is deployed, and nobody needs, or only once.

werkzeug compiles two functions for each route that would put a URL together: a millisecond, ten times as long as what
matches it takes. LocalStack asks for none, has hundreds of routes, and copies all that a router has for each it adds.
For the regions of each service it makes a session that reads all endpoints anew. For its web server it makes a key and
a certificate, of which the bench's server, which speaks plain HTTP, has no use.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from werkzeug.routing import Rule

from bench.engine import aws_stack, certificates

if TYPE_CHECKING:
    from collections.abc import Callable

    type Builder = Callable[..., tuple[str, str]]


def install() -> None:
    """Leave it out in this process; called once, while LocalStack starts."""
    build_when_asked()
    aws_stack.boto3 = _SessionOnce()
    certificates.create_ssl_cert = _no_certificate


def build_when_asked() -> None:
    """Have routes compile what builds their URLs when it is first asked for."""
    compile_builder = Rule._compile_builder  # noqa: SLF001 - werkzeug has no place for another

    def compile_later(rule: Rule, append_unknown: bool = True) -> Builder:  # noqa: FBT001, FBT002 - as werkzeug has it
        compiled = cache(lambda: compile_builder(rule, append_unknown))

        def build(itself: Rule, **values: Any) -> tuple[str, str]:
            return compiled()(itself, **values)

        return build

    Rule._compile_builder = compile_later  # type: ignore[assignment, method-assign] # noqa: SLF001


def _no_certificate(serial_number: int) -> tuple[str, str, str]:  # noqa: ARG001 - what LocalStack calls it with
    """Stands in for what writes a key and a certificate; the files' names go to the server, which reads none."""
    return "", "", ""


class _SessionOnce:
    """Stands in for boto3 where LocalStack makes a session for each service, only to ask for regions."""

    Session = staticmethod(cache(boto3.Session))
