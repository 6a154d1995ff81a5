"""Asynchronous invocations as Lambda makes them: once each, however long it takes, and none that fails is lost.

LocalStack 2026.3.0 sends such an event to its own API through a client with boto3's usual settings: it hangs up after a
minute and sends the event again, so that a function that takes longer runs twice. And an event that no function
answered, because it was throttled until it was too old, fails on its way to the dead-letter queue and is gone. And an
event that a function's version has taken and not begun when it is updated is hidden from the next version for the
function's timeout and a minute.
"""

import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import local
from typing import Any, Final

from botocore.config import Config

from bench.engine import Poller, connect_to, event_manager, patch

#: No time limit: the executor ends every function at its own timeout, and LocalStack's end ends this client too.
_UNHURRIED: Final = Config(read_timeout=None, retries={"max_attempts": 0})
#: AWS's own bound on the attribute of a dead letter.
_MAX_MESSAGE_BYTES: Final = 1024
_NO_ANSWER: Final = "the event was not processed"
#: The poller whose thread this is, as `poller`.
_here: Final = local()


def install() -> None:
    """Have LocalStack send and bury events like this from now on; called once, while it starts."""

    @patch(Poller.__init__)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def init(begin: Any, self: Poller, version_manager: Any, event_queue_url: str) -> None:
        begin(self, version_manager, event_queue_url)
        function = version_manager.function_version.id
        self.lambda_client = connect_to(
            aws_access_key_id=function.account, region_name=function.region, config=_UNHURRIED
        ).lambda_
        self.invoker_pool.submit = _giving_back(self.invoker_pool.submit, self)

    @patch(Poller.run)  # type: ignore[untyped-decorator]
    def run(begin: Any, self: Poller, *given: Any, **named: Any) -> None:
        _here.poller = self
        begin(self, *given, **named)

    @patch(event_manager.get_sqs_client)  # type: ignore[untyped-decorator]
    def get_sqs_client(make: Any, *given: Any, **named: Any) -> Any:
        client, poller = make(*given, **named), getattr(_here, "poller", None)
        return client if poller is None else _Polled(client, poller)

    @patch(Poller.process_dead_letter_queue)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def process_dead_letter_queue(bury: Any, self: Poller, event: Any, answer: Mapping[str, Any] | None) -> None:
        # LocalStack reads the message alone; the queue refuses an attribute that is empty or no text.
        bury(self, event, {"errorMessage": error_message(answer)})


class _Polled:
    """LocalStack's client of events' queues; what comes after its poller was told to stop is given back at once."""

    def __init__(self, client: Any, poller: Poller) -> None:
        self._client = client
        self._poller = poller

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def receive_message(self, **asked: Any) -> Mapping[str, Any]:
        """As SQS answers, or nothing."""
        answer: Mapping[str, Any] = self._client.receive_message(**asked)
        if not self._poller._shutdown_event.is_set():  # noqa: SLF001 - what LocalStack itself looks at next
            return answer
        for message in answer["Messages"] or ():
            give_back(self._poller, message)
        return {"Messages": None}


def _giving_back(submit: Callable[..., Future[Any]], poller: Poller) -> Callable[..., Future[Any] | None]:
    """Return a way to submit messages after which those are given back that will not be begun."""

    def submitted(work: Callable[..., Any], message: Mapping[str, Any]) -> Future[Any] | None:
        try:
            future = submit(work, message)
        except RuntimeError:  # the pool has been shut down
            give_back(poller, message)
            return None
        future.add_done_callback(lambda one: give_back(poller, message) if one.cancelled() else None)
        return future

    return submitted


def give_back(poller: Poller, message: Mapping[str, Any]) -> None:
    """Show a message to the next version's poller.

    If the queue is gone, so is the function. If this process dies before, nothing of LocalStack is left.
    """
    queues = event_manager.get_sqs_client(poller.version_manager.function_version).queue_manager
    with contextlib.suppress(ValueError):
        queues.get_queue(poller.event_queue_url).update_visibility_timeout(message["ReceiptHandle"], 0)


def error_message(answer: Mapping[str, Any] | None) -> str:
    """Return what a dead letter says of its failure, within AWS's bound: the function's own words where it had any."""
    said = str((answer or {}).get("errorMessage") or _NO_ANSWER)
    return said.encode()[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
