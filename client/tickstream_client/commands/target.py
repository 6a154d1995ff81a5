"""Which stack a command asks: options that all of them have. Nothing is remembered between commands."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from tickstream_client.client import Client

_OPTIONS = (
    click.option("--stack", metavar="NAME", help="The stack's name; by default that in TICKSTREAM_STACK."),
    click.option("--outputs", type=click.Path(dir_okay=False), metavar="FILE", help="The stack's outputs, as JSON."),
    click.option("--url", metavar="URL", help="The API's address alone."),
    click.option("--endpoint-url", metavar="URL", help="LocalStack's address; by default that in AWS_ENDPOINT_URL."),
    click.option("--region", metavar="NAME", help="By default the profile's."),
    click.option("--profile", metavar="NAME", help="Whose credentials; by default the usual chain."),
)
_STACK_VARIABLE = "TICKSTREAM_STACK"


def asks_a_stack[**P, T](command: Callable[P, T]) -> Callable[P, T]:
    """Give a command the options, and a `client` in their place, closed when it ends."""

    @wraps(command)
    def with_client(*arguments: Any, **options: Any) -> T:
        names = ("stack", "outputs", "url", "endpoint_url", "region", "profile")
        with _client(**{name: options.pop(name) for name in names}) as client:
            return command(*arguments, client=client, **options)  # type: ignore[arg-type]

    wrapped: Any = with_client
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    found: Callable[P, T] = wrapped
    return found


def _client(*, stack: str | None, outputs: str | None, url: str | None, **others: str | None) -> Client:
    import os  # noqa: PLC0415 - see `tickstream_client.command`

    from tickstream_client.client import Client  # noqa: PLC0415

    if sum(one is not None for one in (stack, outputs, url)) > 1:
        raise click.UsageError("--stack, --outputs and --url each say which stack: give one of them")
    if url is not None:
        return Client.from_url(url, **others)
    if outputs is not None:
        return Client.from_outputs(outputs, **others)
    name = stack or os.environ.get(_STACK_VARIABLE)
    if not name:
        raise click.UsageError(f"which stack? --stack NAME, {_STACK_VARIABLE}, --outputs FILE or --url URL")
    return Client.from_stack(name, **others)
