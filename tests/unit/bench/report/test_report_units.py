"""Numbers in words."""

from __future__ import annotations

import pytest

from bench.report.units import flat, said_bytes, said_ms, said_number, said_seconds


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (said_number(1_234_567), "1,234,567"),
        (said_number(3_278.7), "3,279"),
        (said_number(4.219), "4.22"),
        (said_bytes(0), "0 B"),
        (said_bytes(1_536), "1.50 KiB"),
        (said_bytes(512 * 2**20), "512 MiB"),
        (said_bytes(25_276_502_016), "23.5 GiB"),
        (said_ms(0.04), "0.04 ms"),
        (said_ms(999.6), "1000 ms"),
        (said_ms(1_054), "1.05 s"),
        (said_seconds(61.0), "61.0 s"),
        (said_seconds(3_725.4), "62 min 5 s"),
    ],
)
def test_a_number_carries_its_unit(said: str, words: str) -> None:
    """Thousands are separated, and no number stands without its unit."""
    assert said == words


def test_nested_settings_become_rows() -> None:
    """A workload is shown leaf by leaf; a seed is a name, so its digits are not grouped."""
    fields = {
        "seed": 12345,
        "ticks": 12345,
        "market": {"late": 0.5, "open_only": True},
        "kinds": [],
        "range_bytes": 2048,
    }
    assert dict(flat(fields)) == {
        "seed": "12345",
        "ticks": "12,345",
        "market.late": "0.5",
        "market.open_only": "yes",
        "kinds": "none",
        "range_bytes": "2 KiB",
    }
