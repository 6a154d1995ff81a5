"""LocalStack's index of all services there are, built once a user: else five seconds of CPU at each start.

LocalStack builds it of every description in the SDK and keeps it in its own folder, which here is one run's.
"""

import contextlib
import logging
import os
import shutil
from pathlib import Path
from typing import Any, Final

from bench.engine import spec

LOG = logging.getLogger(__name__)
#: The folder in which a user keeps what can be made again; without it nothing is kept.
VARIABLE: Final = "TICKSTREAM_CACHE_DIR"


def install() -> None:
    """Have LocalStack ask for a kept index before it builds one; called once, while LocalStack starts."""
    if folder := os.environ.get(VARIABLE):
        build = spec.build_service_index_cache

        def build_once(path: str) -> Any:
            # LocalStack's name for it has its own version and the SDK's.
            kept = Path(folder, Path(path).name)
            try:
                return spec.load_service_index_cache(str(kept))
            except FileNotFoundError:
                pass
            except Exception:  # whatever a damaged file makes of itself: it is made again
                LOG.exception("%s cannot be read and is written anew", kept)
            index = build(path)
            _keep(Path(path), kept)
            return index

        spec.build_service_index_cache = build_once


def _keep(built: Path, kept: Path) -> None:
    """Have others find it whole or not at all. Twice, or by two at a time, is the same file again."""
    new = kept.with_suffix(f".{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(built, new)
        new.replace(kept)
    except OSError as error:
        # The next start builds it again, which is slower and nothing worse.
        LOG.warning("the index of services is not kept in %s: %s", kept.parent, error)
        with contextlib.suppress(OSError):
            new.unlink()
