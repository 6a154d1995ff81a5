"""The embedded target's own life: it answers on the loopback only, and nothing of it is ever left behind."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from bench.errors import DeploymentError, TargetError
from bench.stack import deployment
from bench.targets import instance
from bench.targets.embedded import EmbeddedTarget
from tests.e2e.function_bundles import zipped
from tests.patience import wait_until_true

# A bench that starts LocalStack and a function that sleeps, says where everything is, and waits to be ended.
BENCH = """
import io, json, sys, threading, zipfile
from bench.targets.embedded import EmbeddedTarget

code = "import os, time\\ndef handler(event, context):\\n    print(os.getpid(), flush=True)\\n    time.sleep(600)\\n"
bundle = io.BytesIO()
with zipfile.ZipFile(bundle, "w") as archive:
    archive.writestr("module.py", code)
with EmbeddedTarget() as target:
    functions = target.client("lambda")
    functions.create_function(
        FunctionName="sleeper", Runtime="python3.13", Role="arn:aws:iam::000000000000:role/test",
        Handler="module.handler", Code={"ZipFile": bundle.getvalue()}, Timeout=600,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="sleeper", WaiterConfig={"Delay": 1})
    functions.invoke(FunctionName="sleeper", InvocationType="Event", Payload=b"{}")
    running = target._running()
    print(json.dumps({"port": running.port, "state_dir": running.state_dir, "supervisor": running.supervisor_pid}))
    sys.stdout.flush()
    threading.Event().wait()
"""


def descendants(pid: int) -> set[int]:
    """Return the processes below ``pid``, itself included."""
    found = {pid}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):  # the thread has ended meanwhile
            for child in task.read_text().split():
                found |= descendants(int(child))
    return found


def sleepers_below(pid: int) -> set[int]:
    """Return the functions below ``pid`` that sleep in their handlers: one that waits for events may end by itself."""
    return {
        child
        for child in descendants(pid)
        if "launcher.py" in about(child, "cmdline") and "nanosleep" in about(child, "wchan")
    }


def about(pid: int, what: str) -> str:
    """Return what the kernel says of a process; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/{what}").read_text()
    except OSError:
        return ""


def alive(pids: set[int]) -> set[int]:
    """Return those of the processes that run (a zombie does not)."""
    return {pid for pid in pids if instance.process_started(pid) is not None}


def refuses(address: str, port: int) -> bool:
    """Return whether nobody accepts a connection there."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((address, port)) != 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_embedded_nothing_survives_the_bench(number: signal.Signals) -> None:
    """However the bench ends, its LocalStack, a running function, the port and the folder are gone within seconds."""
    bench = subprocess.Popen([sys.executable, "-P", "-c", BENCH], stdout=subprocess.PIPE, text=True)
    assert bench.stdout is not None
    said = bench.stdout
    wait_until_true("the bench to have started", lambda: select.select([said], [], [], 0)[0])
    started = json.loads(bench.stdout.readline())
    wait_until_true("a function in its handler", lambda: sleepers_below(started["supervisor"]))
    pids = descendants(started["supervisor"])

    bench.send_signal(number)
    wait_until_true("the bench to end", lambda: bench.poll() is not None)

    wait_until_true(f"processes gone, of {pids}", lambda: not alive(pids))
    wait_until_true("port refused", lambda: refuses("127.0.0.1", started["port"]))
    wait_until_true("folder gone", lambda: not Path(started["state_dir"]).exists())
    bench.stdout.close()


def test_embedded_function_dies_with_localstack(tmp_path: Path) -> None:
    """When the supervisor itself is killed, LocalStack and a running function go with it, and the folder at the end."""
    with EmbeddedTarget(tmp_path) as other:
        running = other._running()
        functions = other.client("lambda")
        functions.create_function(
            FunctionName="sleeper",
            Runtime="python3.13",
            Role="arn:aws:iam::000000000000:role/test",
            Handler="module.handler",
            Code={"ZipFile": zipped("import time\ndef handler(event, context): time.sleep(600)\n")},
            Timeout=600,
        )
        functions.get_waiter("function_active_v2").wait(FunctionName="sleeper", WaiterConfig={"Delay": 1})
        functions.invoke(FunctionName="sleeper", InvocationType="Event", Payload=b"{}")
        wait_until_true("a function in its handler", lambda: sleepers_below(running.supervisor_pid))
        pids = descendants(running.supervisor_pid)
        os.kill(running.supervisor_pid, signal.SIGKILL)
        wait_until_true("processes gone", lambda: not alive(pids))
    assert not list(tmp_path.iterdir())


def test_embedded_port_is_refused_outside(target: EmbeddedTarget) -> None:
    """LocalStack listens on the loopback interface only, not on the machine's other addresses."""
    port = target._running().port
    listening = {
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    }

    assert listening == {f"0100007F:{port:04X}"}
    address = external_address()
    if address is not None:
        assert refuses(address, port)
    assert not refuses("127.0.0.1", port)


def external_address() -> str | None:
    """Return this machine's address on a network, or None where it has none; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return None if address.startswith("127.") else address


def test_embedded_taken_port_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that another process takes in the last moment costs an attempt, not the run."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        attempts: list[int] = []
        once = EmbeddedTarget._start_once

        def start_once(self: EmbeddedTarget) -> None:
            attempts.append(1)
            if len(attempts) == 1:
                with monkeypatch.context() as patched:
                    patched.setattr("bench.targets.embedded.free_port", lambda: taken.getsockname()[1])
                    once(self)
            else:
                once(self)

        monkeypatch.setattr(EmbeddedTarget, "_start_once", start_once)
        with EmbeddedTarget() as target:
            assert target._running().port != taken.getsockname()[1]
            assert target.client("sts").get_caller_identity()["Account"]
    assert len(attempts) == 2


def test_embedded_large_objects_lie_in_its_own_folder(target: EmbeddedTarget) -> None:
    """What a large object takes on the disk goes with the target, and is not shared with another LocalStack."""
    s3, bucket = target.client("s3"), "embedded-own-folder"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="large", Body=bytes(2 << 20))

    assert list(target.scratch_dir.glob(f"tmp/*/{bucket}"))
    assert not Path("/tmp/localstack-s3-storage", bucket).exists()  # noqa: S108 - where LocalStack would put it

    s3.delete_object(Bucket=bucket, Key="large")
    s3.delete_bucket(Bucket=bucket)


def test_embedded_shares_no_folder_with_another_localstack(target: EmbeddedTarget) -> None:
    """What it writes lies in the run's own folder, in a container too, and no key that others might read meanwhile."""
    assert (target.scratch_dir / "localstack" / "var" / "lib").is_dir()
    assert not list(target.scratch_dir.rglob("server.test.pem*"))


def test_embedded_failed_start_names_the_log(tmp_path: Path) -> None:
    """A LocalStack that does not start is one clear error with the log's place, and leaves no folder."""
    target = EmbeddedTarget(tmp_path, overrides={"GATEWAY_SERVER": "no-such-server"})
    with pytest.raises(TargetError, match="no-such-server") as error:
        target.start()

    log = Path(str(error.value).split("its log is ")[1].split(" and ends:")[0])
    assert "no-such-server" in log.read_text()
    assert not list(tmp_path.iterdir())
    log.unlink()


def test_embedded_detached_outlives_and_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A detached LocalStack outlives the command that started it; a later one finds it, uses it, and ends it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    start = "from bench.targets.embedded import EmbeddedTarget\nEmbeddedTarget(detached=True).start()\n"
    subprocess.run([sys.executable, "-P", "-c", start], check=True)

    found = EmbeddedTarget.attached()
    assert found is not None
    assert found.client("sts").get_caller_identity()["Account"] == "000000000000"
    with pytest.raises(TargetError, match=r"runs already at http://127.0.0.1:"):
        EmbeddedTarget(detached=True).start()
    running = found._running()
    found.stop()

    assert EmbeddedTarget.attached() is None
    assert not Path(running.state_dir).exists()
    assert not running.is_supervised()


# A bench that dies, or fails, in the moment in which it would note where its detached LocalStack is.
NOT_NOTED = """
import os, signal, sys
from bench.targets import instance
from bench.targets.embedded import EmbeddedTarget

def remember(running):
    print(running.port, running.supervisor_pid, running.state_dir, flush=True)
    {end}

instance.remember = remember
EmbeddedTarget(detached=True).start()
"""


@pytest.mark.parametrize(
    "end",
    ["os.kill(os.getpid(), signal.SIGKILL)", "raise OSError(28, 'No space left on device')"],
    ids=["kill", "error"],
)
def test_embedded_detached_does_not_live_unnoted(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails between the start and the note ends LocalStack: nobody would find it any more."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    bench = subprocess.Popen(
        [sys.executable, "-P", "-c", NOT_NOTED.format(end=end)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    said, _ = bench.communicate()
    port, supervisor, state_dir = said.split()
    assert bench.returncode != 0
    wait_until_true("the supervisor gone", lambda: not alive({int(supervisor)}))
    assert not Path(state_dir).exists()
    assert refuses("127.0.0.1", int(port))
    assert EmbeddedTarget.attached() is None


def test_embedded_a_failure_keeps_the_log(tmp_path: Path) -> None:
    """What fails while LocalStack runs says where its log has been kept."""
    with pytest.raises(RuntimeError) as caught, EmbeddedTarget(tmp_path):
        raise RuntimeError("why")
    (note,) = caught.value.__notes__
    log = Path(note.removeprefix("LocalStack's log: "))
    assert "Ready." in log.read_text()
    log.unlink()


def test_embedded_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails while the disk below LocalStack is full, the disk is reported; nothing is left on it."""
    monkeypatch.setattr("bench.targets.embedded.free_bytes", lambda _: 4096)
    said = rf"the disk of {tmp_path}, .* 0 MB left: TMPDIR .*RuntimeError: why"
    with pytest.raises(TargetError, match=said), EmbeddedTarget(tmp_path):
        raise RuntimeError("why")
    assert not list(tmp_path.iterdir())


def test_embedded_attached_forgets_the_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What remains of a detached LocalStack that was killed is nobody to attach to, even if its number is reused."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    instance.remember(instance.Instance(1, "token", os.getpid(), 0, str(tmp_path / "gone"), {}))

    assert EmbeddedTarget.attached() is None
    assert not instance.detached_file().exists()


def test_a10_the_emulator_can_let_the_names_of_deleted_queues_rest_as_aws_does(tmp_path: Path) -> None:
    """By LocalStack's own setting a deleted name is refused for a minute: what the bench waits for on AWS."""
    with EmbeddedTarget(tmp_path, overrides={"SQS_DELAY_RECENTLY_DELETED": "1"}) as other:
        sqs = other.client("sqs")
        sqs.delete_queue(QueueUrl=sqs.create_queue(QueueName="rests")["QueueUrl"])
        with pytest.raises(ClientError, match="QueueDeletedRecently"):
            sqs.create_queue(QueueName="rests")
        body = {"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "rests"}}}}
        other.client("cloudformation").create_stack(StackName="rests", TemplateBody=json.dumps(body))
        with pytest.raises(DeploymentError, match="60 seconds"):
            deployment.wait_for(other, "rests", wanted="CREATE_COMPLETE")
