"""That a file cannot be read as ticks at all."""

from __future__ import annotations


class Refused(Exception):
    """A file must be refused as a whole. reason: the pipeline's code, such as `missing_column`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
