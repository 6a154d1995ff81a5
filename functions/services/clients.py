"""The clients of the AWS services: one of each in a process, made when it is first needed.

They are shared by threads (clients are thread-safe, their creation is not: make them in the main thread).
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

#: Parallel requests of one process. DynamoDB answers a BatchWriteItem in 5 to 10 ms of which the client computes 1 to
#: 2: eight keep one core busy on AWS, and are as many as an emulator on two cores gains from.
PARALLEL_REQUESTS: Final = 8

# The shortest timeout of a function is 29 s: one request that hangs is given up in time for a second one.
_CONFIG: Final = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
    tcp_keepalive=True,
    max_pool_connections=PARALLEL_REQUESTS + 2,
)

# At INFO it says at each cold start where it found its credentials, in a line that names neither function nor ingest.
logging.getLogger("botocore").setLevel(logging.WARNING)


@cache
def dynamodb() -> DynamoDBClient:
    """Return the process's client of DynamoDB."""
    # Its parameters are items that `tickstream.items` builds, by the ten thousand: to look at each attribute of them
    # again takes as long as to write them out. What is wrong with one DynamoDB says too.
    return boto3.client("dynamodb", config=_CONFIG.merge(Config(parameter_validation=False)))


@cache
def sqs() -> SQSClient:
    """Return the process's client of SQS."""
    return boto3.client("sqs", config=_CONFIG)


@cache
def s3() -> S3Client:
    """Return the process's client of S3."""
    return boto3.client("s3", config=_CONFIG)


@cache
def events() -> EventBridgeClient:
    """Return the process's client of EventBridge."""
    return boto3.client("events", config=_CONFIG)
