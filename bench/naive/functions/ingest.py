"""Reads an object and sends each of its rows as a message."""

import csv
import io
import json
import os
from itertools import batched
from typing import Any
from urllib.parse import unquote_plus

import boto3

s3 = boto3.client("s3")
sqs = boto3.client("sqs")


def handler(event: Any, _context: Any) -> None:
    """Take an S3 notification."""
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        for rows in batched(csv.DictReader(io.StringIO(text)), 10, strict=False):
            entries: Any = [{"Id": str(number), "MessageBody": json.dumps(row)} for number, row in enumerate(rows)]
            answer = sqs.send_message_batch(QueueUrl=os.environ["QUEUE_URL"], Entries=entries)
            if failed := answer.get("Failed"):
                raise RuntimeError(f"{len(failed)} messages were not sent")
