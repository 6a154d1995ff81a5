"""The AWS services as this project uses them: limits, batching and retries in one place each."""
