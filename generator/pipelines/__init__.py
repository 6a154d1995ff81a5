"""One system a file; each reads like the diagram of its system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator.pipelines import file_processing, market_analytics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from troposphere import Template

    from generator.environment import Environment

PIPELINES: Mapping[str, Callable[[Environment], Template]] = {
    market_analytics.NAME: market_analytics.build,
    file_processing.NAME: file_processing.build,
}
"""Every system that can be generated, by name."""
