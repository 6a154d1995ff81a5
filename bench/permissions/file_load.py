"""File processing's load: every permission of its functions is used within seconds."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from bench.errors import ApiError
from bench.faults.retries import retry_soon
from bench.ledger.api_client import ApiClient
from bench.permissions.loads import Sender, created, missing, new_name
from bench.stack import deployment
from bench.stack.outputs import FileOutputs
from tickstream.files import FilePointer, encode_pointer, group_of
from tickstream.ingests import Format, Layout

if TYPE_CHECKING:
    from bench.targets import Target

_HEADER: Final = "symbol,timestamp,price,size\n"
_ROW: Final = "AAPL,2026-01-05T14:30:00Z,1.5,1\n"
_LAYOUT: Final = Layout(Format.CSV, columns=("symbol", "timestamp", "price", "size"), data_start=len(_HEADER))


class FileLoad(Sender):
    """See `bench.permissions.loads.Load`."""

    def __init__(self, target: Target, environment: str) -> None:
        super().__init__(target)
        self.outputs = deployment.read_outputs(target, environment, deployment.FILE_PROCESSING, FileOutputs)
        self._api = ApiClient(target, target.api_url(self.outputs.rest_api_id, environment))
        retry_soon(self.sqs, self.outputs.working_queues().values())

    def send(self) -> None:
        """See Load."""
        name, bucket = new_name(), self.outputs.bucket_name
        self.put(bucket, f"load/{name}.csv", f"{_HEADER}{_ROW}".encode())
        self.invoke(self.outputs.validator_function_name, created(missing(bucket, f"load/{name}-gone.csv")))
        # One file is gone when the processor has its turn, one message has died on its way.
        self._send(self.outputs.validator_queue_url, f"load/{name}-lost.csv")
        self._send(self.outputs.processor_dead_letter_queue_url, f"load/{name}-dead.csv")
        # What the API answers to a refusal is no concern of this load.
        with contextlib.suppress(ApiError):
            self._api.get(f"/status/{bucket}/load/{name}.csv")
            self._api.get("/files", {"state": "failed"})

    def _send(self, url: str, key: str) -> None:
        pointer = FilePointer(
            missing(self.outputs.bucket_name, key), "0A".ljust(32, "0"), 0, time.time_ns() // 10**6, _LAYOUT
        )
        self.sqs.send_message(
            QueueUrl=url, MessageBody=encode_pointer(pointer), MessageGroupId=group_of(pointer.file_id)
        )

    def poke(self) -> None:
        """Nothing here waits to be called."""

    def clear_leftovers(self) -> None:
        """See Load."""
        for url in (*self.outputs.working_queues().values(), *self.outputs.dead_letter_queues().values()):
            self.sqs.purge_queue(QueueUrl=url)

    def leave_behind(self) -> None:
        """See Load."""
        self.leave(self.outputs.bucket_name)
