"""The packages that a function finds beside its bundle."""

import subprocess
import sys
from pathlib import Path

from bench.emulator.functions.runtime_folder import build_runtime_folder


def test_emulator_runtime_folder_is_complete_and_no_more(tmp_path: Path) -> None:
    """The SDK and the runtime client can be imported from the folder alone, and nothing else is in it."""
    folder = build_runtime_folder(tmp_path / "runtime")
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "import awslambdaric.bootstrap, boto3; boto3.client('s3', 'us-east-1')\n"
    )
    subprocess.run([sys.executable, "-I", "-S", "-B", "-c", code], check=True)

    names = {entry.name.partition(".")[0] for entry in folder.iterdir()}
    assert {"boto3", "botocore", "awslambdaric", "runtime_client"} <= names
    assert names <= {
        *("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six"),
        *("awslambdaric", "runtime_client", "snapshot_restore_py", "simplejson"),
    }


def test_emulator_runtime_folder_can_be_built_again(tmp_path: Path) -> None:
    """Building it where it is already changes nothing."""
    first = sorted(build_runtime_folder(tmp_path).iterdir())

    assert sorted(build_runtime_folder(tmp_path).iterdir()) == first
