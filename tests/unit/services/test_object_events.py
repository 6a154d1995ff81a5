"""Events of S3 that are not as S3 writes them: each record for itself, and none before its turn."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from services.object_events import process_created
from tickstream.errors import MalformedItem
from tickstream.files import file_id_of
from tickstream.keys import object_ingest_id
from tickstream.notifications import MAX_RECORDS_AN_EVENT, source_of


def record(key: Any = "k", size: Any = 1, version: Any = "v") -> dict[str, Any]:
    """A record of an S3 event."""
    return {"s3": {"bucket": {"name": "b"}, "object": {"key": key, "versionId": version, "eTag": "e", "size": size}}}


POISON = [record("\ud800"), record(size=float("inf")), record(version=["v"]), record(key=[[[]]]), {"s3": 5}, 5, None]


@pytest.mark.parametrize("poison", POISON)
def test_i5_a_record_that_cannot_be_read_keeps_no_other_from_being_processed(poison: Any) -> None:
    """Also where only its name, made of what it says, could not be told; the event comes again for its sake."""
    log = io.StringIO()
    logger = Logger(service=uuid.uuid4().hex, stream=log)
    done: list[str] = []

    def process(one: Any) -> None:
        done.append(source_of(one).key)

    def names_of(source: Any) -> dict[str, str]:
        named = object_ingest_id(source.bucket, source.key, source.etag, source.size_bytes)
        return {"ingest_id": named, "file_id": file_id_of(source)}

    with pytest.raises(MalformedItem):
        process_created({"Records": [record("a"), poison, record("c")]}, process, names_of, logger)
    assert done == ["a", "c"]
    (line,) = [json.loads(text) for text in log.getvalue().splitlines()]
    assert line["message"] == "object not processed"


@pytest.mark.parametrize(
    "event", [{}, {"Records": {}}, {"Records": None}, {"Records": [record()] * (MAX_RECORDS_AN_EVENT + 1)}]
)
def test_what_is_no_event_of_s3_is_called_so(event: dict[str, Any]) -> None:
    """Nothing of it is processed."""
    with pytest.raises(MalformedItem):
        process_created(event, lambda _: pytest.fail("processed"), lambda _: {}, Logger(service=uuid.uuid4().hex))
