"""The outputs of a file-processing stack."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileOutputs:
    """The stack's outputs, under its output keys in snake case."""

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

    def functions(self) -> dict[str, str]:
        """Name of each stage's function."""
        return {
            "validator": self.validator_function_name,
            "processor": self.processor_function_name,
            "aggregator": self.aggregator_function_name,
        }
