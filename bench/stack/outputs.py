"""The outputs of each pipeline's stack, under its output keys in snake case."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outputs:
    """Of market analytics."""

    api_url: str
    bucket_name: str
    table_arn: str
    table_name: str
    rejected_bucket_name: str
    queue_url: str
    processing_dead_letter_queue_url: str
    large_range_queue_url: str
    large_range_dead_letter_queue_url: str
    index_queue_url: str
    index_dead_letter_queue_url: str
    ingestion_dead_letter_queue_url: str
    aggregator_dead_letter_queue_url: str
    revision_dead_letter_queue_url: str
    rule_dead_letter_queue_url: str
    ingestion_function_name: str
    indexer_function_name: str
    processor_function_name: str
    aggregator_function_name: str
    revision_function_name: str
    query_function_name: str
    rest_api_id: str
    schedule_rule_arn: str
    event_rule_arn: str

    def function_names(self) -> frozenset[str]:
        """Name of each function that work goes through."""
        return frozenset(
            (
                self.ingestion_function_name,
                self.indexer_function_name,
                self.processor_function_name,
                self.aggregator_function_name,
                self.revision_function_name,
                self.query_function_name,
            )
        )

    def working_queues(self) -> dict[str, str]:
        """URL of each queue in which work waits, by the name of its dead-letter queue."""
        return {
            "processing": self.queue_url,
            "large-ranges": self.large_range_queue_url,
            "index": self.index_queue_url,
        }

    def dead_letter_queues(self) -> dict[str, str]:
        """Name and URL of each dead-letter queue."""
        return {
            "processing": self.processing_dead_letter_queue_url,
            "large-ranges": self.large_range_dead_letter_queue_url,
            "index": self.index_dead_letter_queue_url,
            "ingestion": self.ingestion_dead_letter_queue_url,
            "aggregator": self.aggregator_dead_letter_queue_url,
            "revision": self.revision_dead_letter_queue_url,
            "rule": self.rule_dead_letter_queue_url,
        }


@dataclass(frozen=True, slots=True)
class FileOutputs:
    """Of file processing."""

    bucket_name: str
    validator_function_name: str
    processor_function_name: str
    aggregator_function_name: str
    status_function_name: str
    dead_letter_recorder_function_name: str
    processing_table_name: str
    api_endpoint: str
    rest_api_id: str
    validator_queue_url: str
    processor_queue_url: str
    parked_queue_url: str
    validator_dead_letter_queue_url: str
    processor_dead_letter_queue_url: str
    aggregator_dead_letter_queue_url: str

    def working_queues(self) -> dict[str, str]:
        """URL of each stage's queue, by the stage that it feeds."""
        return {"processor": self.validator_queue_url, "aggregator": self.processor_queue_url}

    def dead_letter_queues(self) -> dict[str, str]:
        """URL of each stage's dead-letter queue."""
        return {
            "validator": self.validator_dead_letter_queue_url,
            "processor": self.processor_dead_letter_queue_url,
            "aggregator": self.aggregator_dead_letter_queue_url,
        }

    def function_names(self) -> frozenset[str]:
        """Name of each function that work goes through."""
        others = (self.status_function_name, self.dead_letter_recorder_function_name)
        return frozenset((*self.functions().values(), *others))

    def functions(self) -> dict[str, str]:
        """Name of each stage's function."""
        return {
            "validator": self.validator_function_name,
            "processor": self.processor_function_name,
            "aggregator": self.aggregator_function_name,
        }
