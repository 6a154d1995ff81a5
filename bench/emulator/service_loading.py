"""Services that are needed soon, loaded while nobody waits yet.

LocalStack imports a service when it is first asked for, three seconds of CPU for those of a pipeline's stack, in the
middle of its deployment. Asked to load them, it does so right after it answers, while the bench still makes ticks.
"""

import logging
import os
import threading
from typing import Final

from bench.emulator.web.loopback import RUNNING
from bench.engine import SERVICE_PLUGINS

LOG = logging.getLogger(__name__)
#: Names of LocalStack's services, in the order in which they are wanted, separated by commas.
VARIABLE: Final = "TICKSTREAM_LOAD_SERVICES"


def load_beside() -> None:
    """Load what the variable names in a thread, once the web server runs; called while LocalStack starts."""
    names = [name for name in os.environ.get(VARIABLE, "").split(",") if name]
    threading.Thread(target=_load, args=(names,), name="service-loading", daemon=True).start()


def _load(names: list[str]) -> None:
    RUNNING.wait()
    for name in names:
        try:
            SERVICE_PLUGINS.require(name)
        except Exception:  # the next one may load; whoever asks for this one is told why it does not
            LOG.exception("the service %s cannot be loaded", name)
