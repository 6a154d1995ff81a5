"""The SDK's descriptions of services are the same, however they are read."""

from __future__ import annotations

import gzip
from pathlib import Path

import botocore
import pytest
from botocore.loaders import JSONFileLoader, Loader

from bench.emulator import service_models


@pytest.mark.parametrize("name", ["endpoints", "dynamodb/2012-08-10/service-2", "s3/2006-03-01/service-2"])
def test_a_description_is_equal_and_in_the_same_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """LocalStack parses requests by it: no field may be another, or stand elsewhere."""
    path = str(Path(botocore.__file__).parent / "data" / name)
    slowly = JSONFileLoader().load_file(path)
    monkeypatch.setattr(JSONFileLoader, "_load_file", JSONFileLoader._load_file)  # type: ignore[attr-defined]
    service_models.install()
    quickly = JSONFileLoader().load_file(path)
    assert quickly == slowly
    assert repr(quickly) == repr(_plain(slowly))


def test_what_is_not_there_or_no_json_is_told_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing description is None, for the loader to look elsewhere; a damaged one is an error."""
    monkeypatch.setattr(JSONFileLoader, "_load_file", JSONFileLoader._load_file)  # type: ignore[attr-defined]
    service_models.install()
    assert JSONFileLoader().load_file(str(tmp_path / "nothing")) is None
    (tmp_path / "damaged.json.gz").write_bytes(gzip.compress(b'{"a": '))
    with pytest.raises(ValueError, match="Input data was truncated"):
        JSONFileLoader().load_file(str(tmp_path / "damaged"))
    assert Loader().list_available_services("service-2")


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
