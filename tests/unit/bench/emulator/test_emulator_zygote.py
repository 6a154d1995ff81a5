"""Functions forked from one process: each is as much its own as one that was started cold."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bench.emulator.functions.environment import ExecutionEnvironment, FunctionSettings, Invocation
from bench.emulator.functions.runtime_folder import build_runtime_folder
from bench.emulator.functions.zygote import RUNTIME_VARIABLES, Child, Zygote, interpreter_variables

LOOK = """
import importlib.util, os, random, secrets, sys, tempfile, threading, uuid
import boto3

client = boto3.client("sqs")
drawn = [random.random(), secrets.token_hex(), str(uuid.uuid4()), uuid.uuid1().hex, os.urandom(8).hex()]

def handler(event, context):
    if event.get("exit") is not None:
        print("last words")
        os._exit(event["exit"])
    names = ("boto3", "localstack", "bench", "pytest", "launcher", "module")
    return {
        "drawn": drawn,
        "variables": dict(os.environ),
        "folder": os.getcwd(),
        "temporary": tempfile.gettempdir(),
        "files": sorted(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in os.listdir("/proc/self/fd")
                        if os.path.exists(f"/proc/self/fd/{fd}")),
        "threads": threading.active_count(),
        "group": os.getpgid(0),
        "parent": os.getppid(),
        "pid": os.getpid(),
        "path": sys.path[:2],
        "importable": [name for name in names if importlib.util.find_spec(name)],
        "boto3": boto3.__file__,
        "endpoint": client.meta.endpoint_url,
        "key": client._request_signer._credentials.access_key,
    }
"""


class World:
    """A zygote and functions of it, in one event loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime_folder = build_runtime_folder(folder / "runtime")
        self.zygote = Zygote(self.runtime_folder)
        self._starting = asyncio.Semaphore(4)

    def function(self, name: str, files: dict[str, str], **variables: str) -> ExecutionEnvironment:
        """Return an environment of a function of these files."""
        task_root, temporary = self.folder / name, self.folder / f"tmp-{name}"
        for file, text in files.items():
            (task_root / file).parent.mkdir(parents=True, exist_ok=True)
            (task_root / file).write_text(text, encoding="utf-8")
        temporary.mkdir(exist_ok=True)
        own = {"_HANDLER": "module.handler", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
        own |= {"AWS_ACCESS_KEY_ID": f"key-of-{name}", "AWS_SECRET_ACCESS_KEY": "x", "TMPDIR": str(temporary)}
        settings = FunctionSettings(
            name, task_root, self.runtime_folder, temporary, RUNTIME_VARIABLES | own | variables, 20.0, 128
        )
        return ExecutionEnvironment(settings, self._starting, self.zygote)


async def call(environment: ExecutionEnvironment, **event: Any) -> Any:
    """Run an event, return the decoded answer."""
    outcome, log = await environment.invoke(Invocation("id", "arn", "Root=1-2-3", json.dumps(event).encode()))
    assert outcome.error_type is None, log
    return json.loads(outcome.payload)


def in_world(tmp_path: Path, story: Callable[[World], Awaitable[None]]) -> None:
    """Run a story and end all its processes."""

    async def run() -> None:
        world = World(tmp_path)
        try:
            await story(world)
        finally:
            world.zygote.kill()

    asyncio.run(run())


def test_zygote_function_is_its_own(tmp_path: Path) -> None:
    """A fork has its own variables, folder, credentials and imports, no file but its output, and its own randomness."""

    async def story(world: World) -> None:
        one = world.function("one", {"module.py": LOOK}, MINE="1", TZ="Asia/Tokyo")
        twin = world.function("one", {"module.py": LOOK}, MINE="1", TZ="Asia/Tokyo")
        other = world.function("other", {"module.py": LOOK}, AWS_ENDPOINT_URL="http://127.0.0.1:1")
        seen, twins, others = [await call(environment) for environment in (one, twin, other)]

        assert seen["parent"] == others["parent"] == world.zygote.pid
        assert seen["variables"].keys() - {"AWS_LAMBDA_RUNTIME_API", "_X_AMZN_TRACE_ID"} == (
            RUNTIME_VARIABLES.keys() | one._settings.variables.keys()
        )
        assert "MINE" not in others["variables"]
        assert (seen["key"], others["key"]) == ("key-of-one", "key-of-other")
        assert others["endpoint"] == "http://127.0.0.1:1"
        assert seen["folder"] == seen["path"][0] == str(tmp_path / "one")
        assert seen["temporary"] == str(tmp_path / "tmp-one")
        assert seen["importable"] == ["boto3", "module"]
        cold = await call(world.function("cold", {"module.py": LOOK, "csv.py": ""}))
        assert cold["parent"] == os.getpid()
        assert (seen["files"], seen["threads"]) == (cold["files"], cold["threads"])
        assert seen["group"] == os.getpgid(0)
        assert not set(seen["drawn"]) & set(twins["drawn"])

    in_world(tmp_path, story)


@pytest.mark.parametrize(
    "files",
    [{"boto3/__init__.py": "def client(name): return 1\n"}, {"random.py": "mine = True\n"}],
    ids=["the SDK", "the standard library"],
)
def test_zygote_leaves_other_versions_to_a_cold_start(tmp_path: Path, files: dict[str, str]) -> None:
    """What a bundle brings itself is what it imports, whatever the zygote holds under that name."""
    (name,) = files
    module = name.partition("/")[0].removesuffix(".py")
    code = f"import os, {module}\ndef handler(event, context): return [{module}.__file__, os.getppid()]\n"

    async def story(world: World) -> None:
        file, parent = await call(world.function("own", {"module.py": code, **files}))
        assert file == str(tmp_path / "own" / name)
        assert parent == os.getpid()

    in_world(tmp_path, story)


def test_zygote_takes_a_bundle_with_the_same_version(tmp_path: Path) -> None:
    """A bundle that holds the very files of AWS's runtime, as one of jmespath does, is forked all the same."""
    code = "import os\ndef handler(event, context): return os.getppid()\n"

    async def story(world: World) -> None:
        same = {
            f"jmespath/{path.name}": path.read_text(encoding="utf-8")
            for path in (world.runtime_folder / "jmespath").glob("*.py")
        }
        assert await call(world.function("same", {"module.py": code, **same})) == world.zygote.pid

    in_world(tmp_path, story)


def test_zygote_tells_how_a_function_ended(tmp_path: Path) -> None:
    """A fork that dies is reported with its status and its words, and followed by another one."""

    async def story(world: World) -> None:
        environment = world.function("one", {"module.py": LOOK})
        before = await call(environment)
        outcome, log = await environment.invoke(Invocation("id", "arn", "Root=1-2-3", b'{"exit": 3}'))
        after = await call(environment)

        # Whatever the old one still sends cannot be taken for the new one's.
        assert before["variables"]["AWS_LAMBDA_RUNTIME_API"] != after["variables"]["AWS_LAMBDA_RUNTIME_API"]
        assert b"exit status 3" in outcome.payload
        assert "last words" in log
        assert before["pid"] != after["pid"]

    in_world(tmp_path, story)


def test_zygote_survives_a_function_without_a_folder(tmp_path: Path) -> None:
    """A version whose folder is gone cannot start, and nobody else notices."""

    async def story(world: World) -> None:
        other = world.function("other", {"module.py": LOOK})
        before = await call(other)
        gone = world.function("gone", {"module.py": LOOK})
        shutil.rmtree(tmp_path / "gone")
        with pytest.raises(FileNotFoundError):
            await call(gone)

        assert (await call(other))["pid"] == before["pid"]

    in_world(tmp_path, story)


def test_zygote_that_is_killed_is_followed_by_another(tmp_path: Path) -> None:
    """Functions end with their zygote; the next event starts both again."""

    async def story(world: World) -> None:
        environment = world.function("one", {"module.py": LOOK})
        first = await call(environment)
        os.kill(first["parent"], signal.SIGKILL)
        process = environment._process
        assert process is not None
        assert await asyncio.wait_for(process.exited, 10) == -signal.SIGKILL
        second = await call(environment)

        assert not Path(f"/proc/{first['pid']}").exists() or second["pid"] != first["pid"]
        assert second["parent"] == world.zygote.pid != first["parent"]

    in_world(tmp_path, story)


def test_zygote_function_may_be_faster_than_the_news_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that asks for its first event before its start is known of here gets it, the second process too."""
    fork = Zygote.fork
    environments: list[ExecutionEnvironment] = []

    async def late(*arguments: Any) -> Child:
        child = await fork(*arguments)
        # The event loop goes on meanwhile, as it does here when the news and the connection arrive at once.
        while not (session := environments[0]._session) or not session.ready.done():
            await asyncio.sleep(0.01)
        return child

    monkeypatch.setattr(Zygote, "fork", late)

    async def story(world: World) -> None:
        environment = world.function("one", {"module.py": LOOK})
        environments.append(environment)
        first = await call(environment)
        await environment.invoke(Invocation("id", "arn", "Root=1-2-3", b'{"exit": 3}'))
        second = await call(environment)

        assert first["pid"] != second["pid"]

    in_world(tmp_path, story)


@pytest.mark.parametrize(("given", "passed_on"), [("/libraries", {"LD_LIBRARY_PATH": "/libraries"}), ("", {})])
def test_a_child_of_the_same_python_finds_its_library(
    given: str, passed_on: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this Python was given to find libpython with, its children are given too; nothing else of its variables."""
    monkeypatch.setenv("LD_LIBRARY_PATH", given)
    assert interpreter_variables() == passed_on
