"""The option that has other machines send, and what does not go together with it."""

from __future__ import annotations

import re
from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from bench.commands.target_options import target_choice
from bench.errors import WorkersError
from bench.targets import REGION, Kind

if TYPE_CHECKING:
    import argparse
    from contextlib import AbstractContextManager

    from bench.workers.fleet import Fleet
    from bench.workers.hand import Place
    from bench.workloads import Workload

#: What `dask scheduler` prints.
_ADDRESS: Final = re.compile(r"(tcp|tls|ws|wss)://[^/\s]+:[0-9]{1,5}")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--workers",
        metavar="tcp://SCHEDULER:8786",
        help="endpoint, aws: the workers of this Dask scheduler send in place of this process (docs/workers.md)",
    )


def workers_of(options: argparse.Namespace) -> AbstractContextManager[Fleet | None]:
    """Return the workers that are to send, connected; enters to None where none are asked for. Raises WorkersError."""
    if options.workers is None:
        return nullcontext()
    if not _ADDRESS.fullmatch(options.workers):
        raise WorkersError(f"--workers is a scheduler's address, such as tcp://10.0.0.5:8786, not {options.workers!r}")
    choice = target_choice(options)
    if choice.kind not in {Kind.ENDPOINT, Kind.AWS}:
        raise WorkersError(
            f"--workers needs --target aws or endpoint: what --target {choice.kind} starts is reached from here alone"
        )
    if find_spec("distributed") is None:
        raise WorkersError("--workers needs Dask, which is not installed: pip install -e .[distributed]")
    # Not before it is asked for: Dask's import takes a second, and nothing else here needs it.
    from bench.workers.cluster import Cluster  # noqa: PLC0415
    from bench.workers.fleet import open_fleet  # noqa: PLC0415

    return open_fleet(Cluster(options.workers), _place(choice.endpoint_url))


def refuse_for_workers(options: argparse.Namespace, workload: Workload) -> None:
    """Raise WorkersError for what only one sender can do."""
    if options.input is not None:
        raise WorkersError("--input is a file of this machine, which workers do not have")
    if getattr(options, "faults", None):
        raise WorkersError("--faults are for a run that this process sends")
    if workload.rounds > 1:
        raise WorkersError(f"{workload.name} comes in rounds, which one sender begins: --workers needs --rounds 1")
    if workload.replaced_share:
        raise WorkersError(f"{workload.name} puts objects that others replace: --workers needs --replace 0")


def _place(endpoint_url: str | None) -> Place:
    from bench.targets.aws import configured_region  # noqa: PLC0415
    from bench.workers.hand import Place  # noqa: PLC0415

    return Place(endpoint_url, REGION if endpoint_url is not None else configured_region())
