"""Builds the CloudFormation templates of both pipelines from typed Python."""
