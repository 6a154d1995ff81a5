"""MiniStack as the bench runs it, `python -m bench.targets.ministack_server` in place of `python -m ministack`.

One thing is put right, without which nothing that is read in pieces is read right, and no run ends: its S3 answers the
range of a version with the whole object (1.5.33). Where it cuts by itself, its answer stays as it is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Status, headers, body.
type Answer = tuple[int, dict[str, str], bytes]

_RANGE: Final = "range"
#: Asks for a checksum of the whole object, which those who get a part of it would hold the part to.
_WHOLE_CHECKSUM: Final = "x-amz-checksum-mode"
_NO_RANGE: Final = b"<Error><Code>InvalidRange</Code><Message>The requested range is not satisfiable</Message></Error>"


def ranged(get_object: Callable[..., Answer], parse_range: Callable[[str, int], tuple[int, int] | None]) -> Any:
    """Return MiniStack's `GetObject` so that a version's range is cut. parse_range: its own, first and last byte."""

    def get(bucket: str, key: str, headers: Mapping[str, str], query: Mapping[str, Any] | None = None) -> Answer:
        asked = headers.get(_RANGE, "")
        if not asked or not (query or {}).get("versionId"):
            return get_object(bucket, key, headers, query)
        others = {name: value for name, value in headers.items() if name != _WHOLE_CHECKSUM}
        status, more, body = get_object(bucket, key, others, query)
        bounds = parse_range(asked, len(body)) if status == 200 else None
        if status != 200:
            return status, more, body
        if bounds is None:
            return 416, {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}, _NO_RANGE
        first, last = bounds
        part = body[first : last + 1]
        sizes = {"Content-Length": str(len(part)), "Content-Range": f"bytes {first}-{last}/{len(body)}"}
        return 206, {**more, **sizes}, part

    return get


def main() -> None:
    """Run it until it is told to end."""
    s3: Any = import_module("ministack.services.s3")
    s3._get_object = ranged(s3._get_object, s3._parse_range)  # noqa: SLF001 - it has no place for another
    import_module("ministack.app").main()


if __name__ == "__main__":
    main()
