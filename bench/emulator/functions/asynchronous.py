"""Asynchronous invocations as Lambda makes them: once each, however long it takes, and none that fails is lost.

LocalStack 2026.3.0 sends such an event to its own API through a client with boto3's usual settings: it hangs up after a
minute and sends the event again, so that a function that takes longer runs twice. And an event that no function
answered, because it was throttled until it was too old, fails on its way to the dead-letter queue and is gone.
"""

from collections.abc import Mapping
from typing import Any, Final

from botocore.config import Config

from bench.engine import Poller, connect_to, patch

#: No time limit: the executor ends every function at its own timeout, and LocalStack's end ends this client too.
_UNHURRIED: Final = Config(read_timeout=None, retries={"max_attempts": 0})
#: AWS's own bound on the attribute of a dead letter.
_MAX_MESSAGE_BYTES: Final = 1024
_NO_ANSWER: Final = "the event was not processed"


def install() -> None:
    """Have LocalStack send and bury events like this from now on; called once, while it starts."""

    @patch(Poller.__init__)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def init(begin: Any, self: Poller, version_manager: Any, event_queue_url: str) -> None:
        begin(self, version_manager, event_queue_url)
        function = version_manager.function_version.id
        self.lambda_client = connect_to(
            aws_access_key_id=function.account, region_name=function.region, config=_UNHURRIED
        ).lambda_

    @patch(Poller.process_dead_letter_queue)  # type: ignore[untyped-decorator] # LocalStack is untyped here
    def process_dead_letter_queue(bury: Any, self: Poller, event: Any, answer: Mapping[str, Any] | None) -> None:
        # LocalStack reads the message alone; the queue refuses an attribute that is empty or no text.
        bury(self, event, {"errorMessage": error_message(answer)})


def error_message(answer: Mapping[str, Any] | None) -> str:
    """Return what a dead letter says of its failure, within AWS's bound: the function's own words where it had any."""
    said = str((answer or {}).get("errorMessage") or _NO_ANSWER)
    return said.encode()[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
