"""The commands of `python -m bench`, one a file.

Each file has `add`, which adds the command with its options, and imports its work when it is asked for: usage errors
and help need neither LocalStack nor polars.
"""

from bench.commands import (
    agree,
    baselines,
    capacity,
    compare,
    cost,
    down,
    fuzz,
    fuzz_parquet,
    fuzz_text,
    mutants,
    perf,
    permissions,
    redrive,
    report,
    run,
    simulate,
    up,
)

COMMANDS = (
    run,
    up,
    down,
    redrive,
    report,
    compare,
    cost,
    capacity,
    baselines,
    agree,
    mutants,
    simulate,
    fuzz,
    fuzz_text,
    fuzz_parquet,
    permissions,
    perf,
)
