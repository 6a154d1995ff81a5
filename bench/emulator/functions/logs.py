"""Functions' logs without new log groups: a group that a stack deleted stays deleted.

LocalStack makes a missing group whenever a line arrives for it. On AWS a function's role decides, and the templates'
roles may not; so a line that is delivered after the stack is gone would leave a group behind here and none there.
"""

import logging
import time
from typing import Any

from bench.engine import LogHandler, LogItem, ServicePrincipal, connect_to, logs

LOG = logging.getLogger(__name__)


def store_function_logs(handler: LogHandler) -> None:
    """Deliver queued logs until the handler is shut down; runs in the handler's thread."""
    client = connect_to.with_assumed_role(
        region_name=handler.region, role_arn=handler.role_arn, service_principal=ServicePrincipal.lambda_
    ).logs
    while (item := handler.log_queue.get()) is not logs.QUEUE_SHUTDOWN:
        try:
            _put(client, item)
        except Exception as error:  # noqa: BLE001 - one lost delivery must not end the thread; LocalStack logs it so too
            LOG.warning("the logs of %s were not delivered: %s", item.log_group, error)


def _put(client: Any, item: LogItem) -> None:
    now_ms = int(time.time() * 1000)
    events = [{"timestamp": now_ms, "message": f"{line}\n"} for line in item.logs.split("\n") if line]
    if not events:
        return
    place = {"logGroupName": item.log_group, "logStreamName": item.log_stream}
    try:
        client.put_log_events(**place, logEvents=events)
    except client.exceptions.ResourceNotFoundException:
        try:
            client.create_log_stream(**place)
        except client.exceptions.ResourceNotFoundException:
            LOG.info("%s is gone, and its function may not make it: %d lines dropped", item.log_group, len(events))
            return
        client.put_log_events(**place, logEvents=events)
