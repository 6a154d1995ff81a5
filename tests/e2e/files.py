"""A deployed file-processing stack as its user meets it: put files, ask for their status, look at the queues."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bench.faults import FaultInjector
from bench.file_processing.faults import stage_fails
from bench.file_processing.table_reader import queued, read_statuses
from bench.stack import deployment
from bench.stack.outputs import FileOutputs
from tests.e2e.market import HEADER, Answer, signed_call
from tests.patience import wait_until
from tickstream.files import FilePointer, encode_pointer, group_of
from tickstream.ingests import Format, Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.file_processing.table_reader import QueuedMessage
    from bench.targets import Target
    from tickstream.file_status import FileStatus


class FileStack:
    """One deployed stack and the calls that a user would make."""

    def __init__(self, target: Target, environment: str) -> None:
        self.target = target
        self.outputs = deployment.read_outputs(target, environment, deployment.FILE_PROCESSING, FileOutputs)
        self.faults = FaultInjector(target)
        self.s3 = target.client("s3")
        self.sqs = target.client("sqs")
        self.lambda_ = target.client("lambda")
        self._api_url = target.api_url(self.outputs.rest_api_id, environment)

    # Files go in -------------------------------------------------------------------------------------------------

    def put(self, key: str, body: bytes) -> str:
        """Put a file and return its id."""
        self.s3.put_object(Bucket=self.outputs.bucket_name, Key=key, Body=body)
        return f"{self.outputs.bucket_name}/{key}"

    def fail(self, stage: str, key: str, times: int | None) -> str:
        """Have a stage fail on a key's file so many times, None for good; returns the fault's name."""
        rule = stage_fails(self.outputs, stage, key, times)
        self.faults.add([rule])
        return rule.name

    # Answers come out --------------------------------------------------------------------------------------------

    def get(self, path: str) -> Answer:
        """Send a signed GET; the path is sent as it stands, percent signs and all."""
        return signed_call("GET", self._api_url + path)

    def status(self, file_id: str) -> Answer:
        """Ask for the status of a file, its id encoded as a client would."""
        return self.get(f"/status/{quote(file_id)}")

    def at(self, file_id: str, status: str, attempt: int = 0) -> dict[str, Any]:
        """Wait until a file has a status in an attempt, and return the API's answer."""
        last: list[Answer] = []

        def look() -> dict[str, Any] | None:
            last[:] = [self.status(file_id)]
            body: dict[str, Any] = last[0].body
            there = last[0].status == 200 and body["status"] == status
            return body if there and (not attempt or self.stored(file_id).last.attempt == attempt) else None

        try:
            return wait_until(f"{file_id} to be {status}", look)
        except AssertionError as error:
            error.add_note(f"last seen: {last}")
            raise

    def stored(self, file_id: str) -> FileStatus:
        """Read the status item of a file that has one."""
        return read_statuses(self.target, self.outputs.processing_table_name)[file_id].status

    def entered(self, file_id: str) -> list[str]:
        """The stages that entered a file since it was last uploaded, in order."""
        return [entry.partition(" at ")[0] for entry in self.stored(file_id).history]

    def parked(self, file_id: str) -> list[QueuedMessage]:
        """The parked messages of a file; they stay where they are and in sight."""
        return [message for message in self._shown(self.outputs.parked_queue_url) if file_id in message.file_ids]

    def dead(self, file_id: str) -> list[QueuedMessage]:
        """The messages of a file in any dead-letter queue."""
        urls = self.outputs.dead_letter_queues().values()
        return [message for url in urls for message in self._shown(url) if file_id in message.file_ids]

    def _shown(self, url: str) -> Iterator[QueuedMessage]:
        for message in list(queued(self.target, url)):
            self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message.receipt, VisibilityTimeout=0)
            yield message

    def pointer(self, file_id: str) -> FilePointer:
        """Build the message that the stages passed on for the upload that is on record, its layout apart from CSV's."""
        last = self.stored(file_id).last
        layout = Layout(Format.CSV, columns=tuple(HEADER.strip().split(",")), data_start=len(HEADER))
        return FilePointer(last.source, last.sequencer, last.attempt, last.received_ms, layout)

    def deliver(self, pointer: FilePointer) -> None:
        """Send a message to both FIFO queues as if for the first time, and wait until both have taken it in."""
        urls = list(self.outputs.working_queues().values())
        for url in urls:
            self.sqs.send_message(
                QueueUrl=url,
                MessageBody=encode_pointer(pointer),
                MessageGroupId=group_of(pointer.file_id),
                # An id of its own, or the queue would drop what it had minutes ago: the stages are to be asked here.
                MessageDeduplicationId=uuid.uuid4().hex,
            )
        wait_until("both queues to be empty", lambda: True if not any(map(self.waiting, urls)) else None)

    def waiting(self, url: str) -> int:
        """Count the messages of a queue, the invisible ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(count) for count in attributes.values())

    def receives(self, stage: str, file_id: str) -> int:
        """How often a stage's queue handed out a file's message: LocalStack's own count, noted in its request chain."""
        queue = self.outputs.working_queues()[stage].rpartition("/")[2]
        return self.faults.receive_counts(queue).get(group_of(file_id), 0)
