"""One system a file; each reads like the diagram of its system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from generator.pipelines import file_processing, market_analytics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from troposphere import Template

    from generator.environment import Environment


class Build(Protocol):
    """Builds a system's template; `tags` are the user's own, each `NAME=VALUE`."""

    def __call__(self, environment: Environment, tags: Sequence[str] = ()) -> Template:
        """Return the template of one environment. Raises TagError."""
        ...


PIPELINES: Mapping[str, Build] = {
    market_analytics.NAME: market_analytics.build,
    file_processing.NAME: file_processing.build,
}
"""Every system that can be generated, by name."""
