"""The stack's bucket: files are put by boto3's own transfers, in parts and side by side, tried again by botocore."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tickstream_client.errors import StackError, UploadError
from tickstream_client.records import Upload

if TYPE_CHECKING:
    from pathlib import Path

    from tickstream_client.connection.stack import Stack
    from tickstream_client.protocol.uploads import Progress

#: Always the same: the same bytes in the same parts have the same ETag, and are the same ingest.
_PARTS: Final = TransferConfig(multipart_threshold=16 << 20, multipart_chunksize=16 << 20, max_concurrency=8)
_PUTS: Final = ("PutObject", "CompleteMultipartUpload")
_MARK: Final = "tickstream-upload"


class Bucket:
    """One bucket; safe for several threads."""

    def __init__(self, stack: Stack) -> None:
        if stack.bucket is None:
            raise StackError("the bucket is not known: name the stack, or its outputs, and not the API's URL alone")
        self.name = stack.bucket
        self._client = stack.session.client(
            "s3",
            region_name=stack.region,
            endpoint_url=stack.endpoint_url,
            config=Config(
                s3={"addressing_style": "path" if stack.endpoint_url else "auto"},
                retries={"mode": "standard", "total_max_attempts": 8},
                max_pool_connections=32,
            ),
        )
        self._lock = threading.Lock()
        self._versions: dict[str, str | None] = {}
        # Transfers tell nobody which version they made; botocore's events do, and say of which key.
        for operation in _PUTS:
            self._client.meta.events.register(f"provide-client-params.s3.{operation}", self._note_key)
            self._client.meta.events.register(f"after-call.s3.{operation}", self._note_version)

    def put(self, path: Path, key: str, progress: Progress | None) -> Upload:
        """Put a file. Raises UploadError."""
        sent = 0
        try:
            size = path.stat().st_size

            def told(count: int) -> None:
                nonlocal sent
                with self._lock:
                    sent += count
                    so_far = sent
                if progress is not None:
                    progress(path, so_far, size)

            self._client.upload_file(str(path), self.name, key, Config=_PARTS, Callback=told)
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise UploadError(f"{path}: {error}") from error
        except OSError as error:
            raise UploadError(f"{path}: {error.strerror or error}") from error
        with self._lock:
            version_id = self._versions.pop(key, None)
        return Upload(path, self.name, key, version_id, size)

    def is_same(self, upload: Upload, version_id: str) -> bool:
        """Whether an older version of the key has the bytes of this upload, as its ETag says."""
        now, before = (self._etag(upload.key, version) for version in (upload.version_id, version_id))
        return now is not None and now == before

    def _etag(self, key: str, version_id: str | None) -> str | None:
        if version_id is None:
            return None
        try:
            return str(self._client.head_object(Bucket=self.name, Key=key, VersionId=version_id)["ETag"])
        except (BotoCoreError, ClientError):
            # It is gone, or may not be looked at: then nothing is known, and nothing is claimed.
            return None

    def _note_key(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[_MARK] = params.get("Key")

    def _note_version(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        key = context.get(_MARK)
        if key is not None:
            with self._lock:
                self._versions[key] = parsed.get("VersionId")
