"""The folders of functions' code: one for each version, unpacked beside the deployment, removed with its last use.

LocalStack unpacks a version's archive before it calls the version active, and CloudFormation waits for that, one
function after the other. Here the first invocation waits, if it comes so early.
"""

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from bench.engine import FunctionVersion, S3Code, unzip

# An archive of 60 MB is unpacked in a second or two.
_UNPACK_TIMEOUT_S: Final = 120.0


class CodeFolders:
    """The folders of all versions. LocalStack prepares, stops and cleans versions up in several threads."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._lock = threading.Lock()
        self._unpacked: dict[Path, Future[None]] = {}
        self._users: dict[Path, set[str]] = {}
        self._retired: set[Path] = set()
        self._last_retired: dict[str, Path] = {}
        # One waits for the archive, another for the disk.
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="lambda-code")

    def of(self, function_version: FunctionVersion) -> Path:
        """Return where a version's code is, or will be."""
        name = function_version.id.function_name
        return self._parent / f"{name}-{function_version.config.internal_revision}"

    def prepare(self, function_version: FunctionVersion) -> None:
        """Begin to unpack a version's code into a folder that belongs to this version alone.

        LocalStack deletes the code of a replaced version at once; an invocation that still runs may import.
        """
        code, folder = function_version.config.code, self.of(function_version)
        with self._lock:
            if code is not None and folder not in self._unpacked:
                self._unpacked[folder] = self._pool.submit(_unpack, code, folder)

    def retire(self, function_version: FunctionVersion) -> None:
        """Remove the folder of the version that was retired before this one, with its last running environment.

        An event that LocalStack has given to this one may still be on its way to it.
        """
        with self._lock:
            name, retired = function_version.id.function_name, self.of(function_version)
            folder = self._last_retired.get(name)
            self._last_retired[name] = retired
            if folder is None or folder == retired:
                return
            self._retired.add(folder)
            unused = not self._users.get(folder)
            unpacked = self._unpacked.pop(folder, None)
        if unused and (unpacked is None or unpacked.cancel() or unpacked.done()):
            shutil.rmtree(folder, ignore_errors=True)
        elif unused and unpacked is not None:
            unpacked.add_done_callback(lambda _: shutil.rmtree(folder, ignore_errors=True))

    @contextlib.contextmanager
    def in_use(self, folder: Path, user: str) -> Iterator[None]:
        """Wait for a version's code, and keep it while an invocation runs. Raises what unpacking raised."""
        with self._lock:
            self._users.setdefault(folder, set()).add(user)
            unpacked = self._unpacked.get(folder)
        try:
            if unpacked is not None:
                unpacked.result(_UNPACK_TIMEOUT_S)
            yield
        finally:
            with self._lock:
                users = self._users[folder]
                users.discard(user)
                remove = not users and folder in self._retired
            if remove:
                shutil.rmtree(folder, ignore_errors=True)


def _unpack(code: Any, folder: Path) -> None:
    """Make a version's folder, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as name:
        unpacked = Path(name) / "code"
        if isinstance(code, S3Code):
            unpacked.mkdir()
            with tempfile.NamedTemporaryFile(dir=name) as archive:
                code._download_archive_to_file(archive)  # noqa: SLF001 - LocalStack would keep a second unpacked copy
                unzip(archive.name, str(unpacked))
        else:
            code.prepare_for_execution()
            shutil.copytree(code.get_unzipped_code_location(), unpacked, copy_function=os.link, symlinks=True)
        for path in (unpacked, *unpacked.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        unpacked.rename(folder)
