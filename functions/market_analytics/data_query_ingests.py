"""What became of what came in: `GET /ingests`, by the key of an object, by a state, or of all, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from market_analytics.data_query_ingest import fate_fields
from market_analytics.data_query_lists import Wanted, of_key, of_state, read_page
from tickstream.ingests import RETENTION_SECONDS, IngestState
from tickstream.list_questions import question_of, stretch_of, token_of
from tickstream.promises import ASKED_STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from services.table import Table

_KEPT_MS: Final = RETENTION_SECONDS * 1000


def listed_ingests(  # noqa: PLR0917 - what a question is asked with
    table: Table,
    parameters: Mapping[str, list[str]],
    bucket: str,
    now_ms: int,
    overdue_seconds: int,
    time_is_up: Callable[[], bool],
) -> dict[str, Any]:
    """Return the answer's fields: one page. bucket: the stack's own. Raises BadRequest."""
    asked = question_of(parameters, bucket, ASKED_STATES, now_ms, _KEPT_MS)
    state = None if asked.state is None else IngestState(asked.state)
    lists = of_state(state) if asked.key is None else of_key(asked.bucket, asked.key)
    page = read_page(table, lists, stretch_of(asked), Wanted(asked.limit, state, now_ms, overdue_seconds), time_is_up)
    fields: dict[str, Any] = {"ingests": [fate_fields(fate, now) for fate, now in page.found]}
    if page.next_below is not None:
        fields["nextToken"] = token_of(asked, page.next_below)
    return fields
