"""Ends a container of the docker target when whoever started it ends, however that happens.

`python -m bench.targets.container FD NAME FOLDER` waits until the other end of the pipe FD is closed, which a killed
process does too. Docker itself keeps a container when its client dies.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import docker
from docker.errors import APIError, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

#: On LocalStack's container and on those that it starts for functions; the value is the container's name.
LABEL: Final = "tickstream.bench"
STOP_TIMEOUT_S: Final = 10


def remove(client: Any, name: str) -> None:
    """Stop LocalStack's container and remove it, with every container that it started; none there is no error.

    Raises docker.errors.DockerException where Docker does not do it.
    """
    with suppress(NotFound):
        # LocalStack ends its functions' containers when it is stopped in good order.
        client.containers.get(name).stop(timeout=STOP_TIMEOUT_S)
    for container in client.containers.list(all=True, filters={"label": f"{LABEL}={name}"}, ignore_removed=True):
        try:
            container.remove(force=True, v=True)
        except NotFound:
            pass
        except APIError as error:
            # Docker is removing it already.
            if error.status_code != 409:
                raise


def main(arguments: Sequence[str]) -> int:
    """Wait for the end of the starter, then remove its container and folder."""
    descriptor, name, folder = arguments
    # The terminal's Ctrl-C is for the bench, which ends this process by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(int(descriptor), "rb") as pipe:
        pipe.read()
    try:
        remove(docker.from_env(), name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
