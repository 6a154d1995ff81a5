"""What is put right of MiniStack: ranges of versions, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bench.targets.ministack_server import ranged

if TYPE_CHECKING:
    from collections.abc import Mapping

BODY = b"0123456789"


def whole(
    _bucket: str, key: str, headers: Mapping[str, str], _query: Mapping[str, Any] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Answers as MiniStack 1.5.33 does a version, with a checksum where one is asked for."""
    if key != "k":
        return 404, {}, b"NoSuchVersion"
    checksum = {"x-amz-checksum-crc32": "c"} if "x-amz-checksum-mode" in headers else {}
    return 200, {"ETag": "e", "Content-Length": "10", **checksum}, BODY


def bounds(asked: str, total: int) -> tuple[int, int] | None:
    """Reads `bytes=FIRST-LAST`."""
    first, last = (int(one) for one in asked.removeprefix("bytes=").split("-"))
    return (first, min(last, total - 1)) if first < total else None


get = ranged(whole, bounds)
VERSION = {"versionId": ["v"]}


@pytest.mark.parametrize(("asked", "part", "said"), [("2-4", b"234", "bytes 2-4/10"), ("8-99", b"89", "bytes 8-9/10")])
def test_a_versions_range_is_cut(asked: str, part: bytes, said: str) -> None:
    """206, the bytes that were asked for, and no checksum of the others."""
    status, headers, body = get("b", "k", {"range": f"bytes={asked}", "x-amz-checksum-mode": "ENABLED"}, VERSION)
    assert (status, body, headers["Content-Range"], headers["Content-Length"]) == (206, part, said, str(len(part)))
    assert headers["ETag"] == "e"
    assert not any(name.startswith("x-amz-checksum") for name in headers)


def test_what_is_no_range_of_it_is_refused() -> None:
    """As S3 does: 416."""
    status, headers, body = get("b", "k", {"range": "bytes=10-12"}, VERSION)
    assert (status, headers["Content-Range"]) == (416, "bytes */10")
    assert b"InvalidRange" in body


@pytest.mark.parametrize(
    ("headers", "query"), [({"range": "bytes=2-4"}, {}), ({"range": "bytes=2-4"}, None), ({}, VERSION)]
)
def test_everything_else_is_its_own(headers: dict[str, str], query: dict[str, Any] | None) -> None:
    """Without a version, or without a range, nothing is changed; nor where there is no such version."""
    assert get("b", "k", headers, query) == whole("b", "k", headers, query)
    assert get("b", "gone", {"range": "bytes=2-4"}, VERSION)[0] == 404
