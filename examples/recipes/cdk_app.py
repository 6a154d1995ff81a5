"""Tickstream in a CDK app: the generated template is included as it stands. `cdk deploy --app "python cdk_app.py"`."""

from __future__ import annotations

import os
from pathlib import Path

import aws_cdk as cdk
from aws_cdk.cloudformation_include import CfnInclude

TEMPLATE = Path(__file__).parents[2] / "templates/market-analytics-dev.json"

app = cdk.App()
# No bootstrap stack is needed: the template says itself where the functions' code is.
stack = cdk.Stack(app, "market-analytics-dev", synthesizer=cdk.LegacyStackSynthesizer())
code = {"CodeBucket": os.environ["CODE_BUCKET"], "CodePrefix": os.environ["CODE_PREFIX"]}
tickstream = CfnInclude(stack, "Tickstream", template_file=str(TEMPLATE), parameters=code)
# Whatever it has can be referred to by its name in the template, or by the stack's outputs.
cdk.CfnOutput(stack, "TableName", value=tickstream.get_resource("MarketDataState").ref)
app.synth()
