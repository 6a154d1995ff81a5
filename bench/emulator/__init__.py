"""Extends LocalStack: functions as processes, DynamoDB without Java, loopback only."""
