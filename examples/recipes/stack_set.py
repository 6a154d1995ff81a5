"""Tickstream in several accounts and regions, as a stack set with permissions managed by the service or by yourself.

    python stack_set.py 111111111111,222222222222 us-east-1,eu-west-1

A function's code lies in a bucket of its own region: CODE_BUCKET has the region's name at its end, as in
`my-code-us-east-1`, and the bundles and the template are in each of them (docs/deployment.md).
"""

from __future__ import annotations

import os
import sys
import time

import boto3

NAME = "market-analytics-dev"
UNDER_WAY = {"RUNNING", "QUEUED", "STOPPING"}
PATIENCE_SECONDS = 3_600
accounts, regions = (word.split(",") for word in sys.argv[1:])
prefix, bucket = os.environ["CODE_PREFIX"], os.environ["CODE_BUCKET"]
cloudformation = boto3.client("cloudformation")
cloudformation.create_stack_set(
    StackSetName=NAME,
    TemplateURL=f"https://{bucket}-{regions[0]}.s3.{regions[0]}.amazonaws.com/{prefix}/{NAME}.json",
    Capabilities=["CAPABILITY_NAMED_IAM"],
    Parameters=[
        {"ParameterKey": "CodeBucket", "ParameterValue": f"{bucket}-{regions[0]}"},
        {"ParameterKey": "CodePrefix", "ParameterValue": prefix},
    ],
)
for region in regions:
    operation = cloudformation.create_stack_instances(
        StackSetName=NAME,
        Accounts=accounts,
        Regions=[region],
        ParameterOverrides=[{"ParameterKey": "CodeBucket", "ParameterValue": f"{bucket}-{region}"}],
    )["OperationId"]
    # One operation at a time: the next is refused while this one is under way.
    status = "RUNNING"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while status in UNDER_WAY and time.monotonic() < deadline:
        found = cloudformation.describe_stack_set_operation(StackSetName=NAME, OperationId=operation)
        status = found["StackSetOperation"]["Status"]
        time.sleep(5 if status in UNDER_WAY else 0)
    print(region, status)
