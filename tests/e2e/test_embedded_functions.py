"""Functions on the embedded target: what a caller and a log reader see, and what a function can see."""

import base64
import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.targets.embedded import EmbeddedTarget
from tests.e2e.function_bundles import zipped
from tests.patience import wait_until, wait_until_true

CODE = """
import importlib.util, json, os, signal, tempfile, time

print("importing")

def handler(event, context):
    print("handling", event.get("do"))
    match event.get("do"):
        case "raise":
            raise ValueError("bad event")
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            with tempfile.TemporaryFile() as own:
                time.sleep(event["seconds"])
            tempfile.TemporaryFile().close()
        case "return":
            return "x" * event["characters"]
        case "look":
            names = ("boto3", "polars", "localstack", "bench", "numpy", "aws_lambda_powertools")
            return {
                "environment": dict(os.environ),
                "importable": [name for name in names if importlib.util.find_spec(name)],
            }
        case "temporary":
            return tempfile.gettempdir()
        case "remaining":
            return context.get_remaining_time_in_millis()
    return {"pid": os.getpid()}
"""


class Function:
    """A deployed function and how a test calls it."""

    def __init__(self, target: EmbeddedTarget, name: str) -> None:
        self.target, self.name = target, name

    def call(self, **event: Any) -> tuple[str | None, Any, str]:
        """Invoke it; return the function error, the decoded answer, and the log's tail."""
        answer = self.target.client("lambda").invoke(FunctionName=self.name, Payload=json.dumps(event), LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode()
        return answer.get("FunctionError"), json.loads(answer["Payload"].read()), log


def deploy(target: EmbeddedTarget, name: str, code: str = CODE, **settings: Any) -> Function:
    """Create a function of one module and wait until it can be invoked."""
    functions, logs = target.client("lambda"), target.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="module.handler",
        Code={"ZipFile": zipped(code)},
        **{"Timeout": 10, "Role": "arn:aws:iam::000000000000:role/test", **settings},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return Function(target, name)


@pytest.fixture(scope="module")
def function(target: EmbeddedTarget) -> Iterator[Function]:
    """One function for the tests of this module; each leaves it usable."""
    yield deploy(target, "embedded-function", Environment={"Variables": {"MINE": "1"}})
    target.client("lambda").delete_function(FunctionName="embedded-function")


def test_embedded_log_has_platform_lines(function: Function) -> None:
    """The caller's log tail holds START, the function's own words, END and a REPORT with what Lambda bills."""
    error, _, log = function.call(do="nothing")

    assert error is None
    lines = [line for line in log.splitlines() if line and line != "importing"]
    assert lines[0].startswith("START RequestId: ")
    assert lines[1] == "handling nothing"
    assert lines[2].startswith("END RequestId: ")
    assert lines[3].startswith("REPORT RequestId: ")
    assert "Billed Duration: " in lines[3]
    assert "Memory Size: 128 MB" in lines[3]


def test_embedded_log_reaches_cloudwatch(function: Function, target: EmbeddedTarget) -> None:
    """What a function prints is in its log group, also when it crashed on the way."""
    function.call(do="exit")
    found = wait_for_log(target, function.name, "handling exit")

    assert any("Runtime exited with error: exit status 3" in message for message in found)


def wait_for_log(target: EmbeddedTarget, function_name: str, text: str) -> list[str]:
    """Return the log group's messages once one holds ``text``; LocalStack writes them a moment after the answer."""

    def look() -> list[str] | None:
        pages = (
            target.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/aws/lambda/{function_name}")
        )
        messages = [event["message"] for page in pages for event in page["events"]]
        return messages if any(text in message for message in messages) else None

    return wait_until(f"{text!r} in the log of {function_name}", look)


def test_embedded_exception_is_unhandled_error(function: Function) -> None:
    """A handler that raises is reported with type, message and the same process goes on."""
    _, before, _ = function.call()
    error, answer, log = function.call(do="raise")
    _, after, _ = function.call()

    assert error == "Unhandled"
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "bad event")
    assert "[ERROR] ValueError: bad event" in log
    assert before["pid"] == after["pid"]


@pytest.mark.parametrize(
    ("do", "reason"), [("exit", "exit status 3"), ("kill", "signal: killed")], ids=["exit", "kill"]
)
def test_embedded_crash_is_exit_error(function: Function, do: str, reason: str) -> None:
    """A function that dies is a Runtime.ExitError, its words are kept, and a fresh process serves the next event."""
    error, answer, log = function.call(do=do)
    healthy, _, _ = function.call()

    assert error == "Unhandled"
    assert answer["errorType"] == "Runtime.ExitError"
    assert answer["errorMessage"].endswith(f"Error: Runtime exited with error: {reason}")
    assert f"handling {do}" in log
    assert healthy is None


def test_embedded_timeout_kills_the_process(target: EmbeddedTarget) -> None:
    """A function beyond its timeout is killed, reported as Lambda does, and not used again."""
    function = deploy(target, "embedded-timeout", Timeout=1)
    _, before, _ = function.call()
    error, answer, log = function.call(do="sleep", seconds=30)
    _, after, _ = function.call()

    assert error == "Unhandled"
    assert answer["errorType"] == "Sandbox.Timedout"
    assert answer["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert "Status: timeout" in log
    assert before["pid"] != after["pid"]
    target.client("lambda").delete_function(FunctionName=function.name)


def test_embedded_response_limit(function: Function) -> None:
    """A response above 6 MB is an error; one just below it arrives whole."""
    error, answer, _ = function.call(do="return", characters=6_291_557)
    assert (error, answer["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")

    error, answer, _ = function.call(do="return", characters=6_000_000)
    assert error is None, answer
    assert len(answer) == 6_000_000


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        ("import not_in_the_bundle\n", "Runtime.ImportModuleError"),
        ("def handler(event, context:\n", "Runtime.UserCodeSyntaxError"),
        ("def other(event, context): pass\n", "Runtime.HandlerNotFound"),
        ("raise ValueError('at import')\n", "ValueError"),
        ("import os; os._exit(7)\n", "Runtime.ExitError"),
    ],
    ids=["missing dependency", "syntax", "no handler", "raises", "exits"],
)
def test_embedded_init_error(target: EmbeddedTarget, code: str, error_type: str) -> None:
    """A module that cannot be imported is reported with Lambda's own error type, at every invocation."""
    function = deploy(target, "embedded-init", code)
    try:
        outcomes = [function.call()[:2] for _ in range(2)]
    finally:
        target.client("lambda").delete_function(FunctionName="embedded-init")

    assert [(error, answer["errorType"]) for error, answer in outcomes] == [("Unhandled", error_type)] * 2


def test_embedded_environment_is_the_functions_own(
    function: Function, target: EmbeddedTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function sees its own variables and role credentials, nothing of LocalStack's or of the user's shell.

    The bench is given a secret before it starts another LocalStack, whose function is then asked.
    """
    monkeypatch.setenv("PLANTED_SECRET", "do not tell")
    monkeypatch.setenv("AWS_PROFILE", "the-users-own")
    with EmbeddedTarget() as other:
        _, seen, _ = deploy(other, "embedded-secret", Environment={"Variables": {"MINE": "1"}}).call(do="look")

    environment = seen["environment"]
    assert environment["MINE"] == "1"
    assert environment["AWS_SESSION_TOKEN"]
    assert "do not tell" not in environment.values()
    foreign = {"AWS_PROFILE", "TICKSTREAM_EMULATOR_TOKEN", "LAMBDA_RUNTIME_EXECUTOR", "FILESYSTEM_ROOT", "HOME"}
    assert not foreign & environment.keys()


def test_embedded_imports_are_the_bundles_own(function: Function) -> None:
    """Only the SDK that AWS's runtime brings can be imported beside the bundle: a missing dependency fails here too."""
    _, seen, _ = function.call(do="look")

    assert seen["importable"] == ["boto3"]


def test_embedded_deadline_is_the_functions(function: Function) -> None:
    """The context tells the handler how long it still has."""
    _, remaining_ms, _ = function.call(do="remaining")

    assert 0 < remaining_ms <= 10_000


def test_embedded_environments_run_in_parallel(target: EmbeddedTarget) -> None:
    """Simultaneous events get processes of their own, each with a temporary folder of its own."""
    function = deploy(target, "embedded-parallel", Timeout=60)
    with ThreadPoolExecutor(4) as pool:
        sleeps = [pool.submit(function.call, do="sleep", seconds=2) for _ in range(4)]
        pids = {sleep.result()[1]["pid"] for sleep in sleeps}
    _, folder, _ = function.call(do="temporary")

    assert len(pids) == 4
    assert folder.startswith(str(target.log_path.parent))
    target.client("lambda").delete_function(FunctionName=function.name)


def test_embedded_update_lets_the_running_event_finish(target: EmbeddedTarget) -> None:
    """New code serves the next event while the old process finishes the one it has, and then is gone."""
    function = deploy(target, "embedded-update", Timeout=30)
    _, first, _ = function.call()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(function.call, do="sleep", seconds=3)
        wait_until_busy(first["pid"])
        functions = target.client("lambda")
        functions.update_function_code(
            FunctionName=function.name, ZipFile=zipped("def handler(event, context): return 'new'\n")
        )
        functions.get_waiter("function_updated_v2").wait(FunctionName=function.name, WaiterConfig={"Delay": 1})
        _, answer, _ = function.call()
        error, finished, _ = running.result()

    assert answer == "new"
    assert (error, finished["pid"]) == (None, first["pid"])
    wait_until_true("the replaced version's process to end", lambda: not Path(f"/proc/{first['pid']}").exists())
    functions.delete_function(FunctionName=function.name)


def wait_until_busy(pid: int) -> None:
    """Return when a function's process sleeps in its handler (it waits for an event in a receive otherwise)."""

    def is_asleep() -> bool:
        waits_in = Path(f"/proc/{pid}/wchan").read_text()
        return not waits_in or "nanosleep" in waits_in

    wait_until_true(f"process {pid} to sleep in its handler", is_asleep, poll_s=0.02)
