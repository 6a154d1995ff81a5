"""Listen for what was processed, and read the bars that it touched, with a rule and a queue of your own.

::

    aws cloudformation deploy --template-file listener.yaml --stack-name tickstream-listener
    python listen.py SPY QQQ --stack market-analytics-dev

Each line that it writes is JSON: `{"range": ...}` for each range of a file (or for posted ticks) that was processed,
`{"bar": ...}` for each bar of the symbols named that is not what it was when it was last looked at.

An event may come twice, late, and in another order than things happened, so it is taken as a hint to look again and
never added up: the bars are read, and they are right. It says of which ingest a range is, and not of which symbols; so
all symbols that are listened for are read again, once for all the events that came together. docs/events.md has the
whole contract. AWS_ENDPOINT_URL leads to LocalStack.
"""

from __future__ import annotations

import json
import signal
import sys
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from tickstream_client import Client, NotFoundError, TickstreamError, UnknownSymbolWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_sqs import SQSClient

    from tickstream_client import Bar

type Seen = dict[tuple[str, datetime], Bar]
"""The bars as they were last read, by symbol and start."""


@click.command()
@click.argument("symbols", nargs=-1, required=True)
@click.option("--stack", envvar="TICKSTREAM_STACK", required=True, help="The stack's name.")
@click.option("--listener", default="tickstream-listener", show_default=True, help="The name of listener.yaml's stack.")
@click.option("--from", "start", help="Bars from then on; by default those of the last 24 hours.")
@click.option("--to", "end", help="Bars before then; by default now.")
@click.option("--interval", default="1m", show_default=True)
def main(
    *, symbols: tuple[str, ...], stack: str, listener: str, start: str | None, end: str | None, interval: str
) -> None:
    """Print what is processed, and the bars of SYMBOLS that change with it, until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Client.from_stack(stack) as client:
            # As the same caller, and in the region of the stack.
            session, region = client.stack.session, client.stack.region
            queue_url = output_of(session.client("cloudformation", region_name=region), listener, "queueUrl")
            seen: Seen = {}
            for ranges in events(session.client("sqs", region_name=region), queue_url):
                say("range", ranges)
                if any(one["ticks"] for one in ranges):
                    now = read(client, symbols, start, end, interval)
                    say("bar", (asdict(bar) for place, bar in now.items() if seen.get(place) != bar))
                    seen = now
    except KeyboardInterrupt:
        sys.exit(0)
    except (TickstreamError, BotoCoreError, ClientError) as error:
        raise click.ClickException(str(error)) from error


def output_of(cloudformation: CloudFormationClient, stack: str, name: str) -> str:
    """Return an output of a stack."""
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    found = {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", ())}
    if name not in found:
        raise click.UsageError(f"stack {stack} has no output {name}: is it that of listener.yaml?")
    return found[name]


def events(sqs: SQSClient, queue_url: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the ranges of the events that come together, at most ten. Deleted is what the caller has done with.

    Whoever dies in between is told again. What is no such event is left: it comes again, and after the fifth time lies
    in the dead-letter queue.
    """
    while True:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        understood: dict[str, list[dict[str, Any]]] = {}
        for message in answer.get("Messages", ()):
            try:
                understood[message["ReceiptHandle"]] = ranges_of(message["Body"])
            except (ValueError, KeyError, TypeError) as error:
                click.echo(f"message {message['MessageId']} is no event of Tickstream's: {error!r}", err=True)
        if understood:
            yield [one for ranges in understood.values() for one in ranges]
            for receipt_handle in understood:
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=receipt_handle)


def ranges_of(body: str) -> list[dict[str, Any]]:
    """Read a message: an event of EventBridge, whose detail has one range or more."""
    return [
        {
            "ingest": one["ingest"],
            "range": one["range"],
            "ticks": one["ticks"],
            "rejected": one["rejected"],
            "took_ms": one["committed_ms"] - one["received_ms"],
            "refused": one.get("refused", False),
            "waits": one.get("waits", False),
        }
        for one in json.loads(body)["detail"]["ranges"]
    ]


def read(client: Client, symbols: Sequence[str], start: str | None, end: str | None, interval: str) -> Seen:
    """Read all bars that are listened for. Symbols of which nothing ever came have none."""
    with warnings.catch_warnings(action="ignore", category=UnknownSymbolWarning):
        try:
            return {(bar.symbol, bar.start): bar for bar in client.bars(symbols, start, end, interval)}
        except NotFoundError:
            return {}


def say(kind: str, some: Iterable[dict[str, Any]]) -> None:
    """Write JSON lines, at once: whoever reads a pipe shall not wait for a full one. Decimals and times are texts."""
    for one in some:
        click.echo(json.dumps({kind: one}, default=str))


if __name__ == "__main__":
    main()
