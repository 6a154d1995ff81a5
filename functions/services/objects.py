"""Reading ranges of a frozen object version, and writing an object line by line without holding it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from services import clients
from services.deadlines import Deadline, attempts
from services.failures import code_of, explained, explanation, is_transient, status_of
from tickstream.errors import NotShownYet, ObjectRejected, Reason
from tickstream.ingests import UNVERSIONED

if TYPE_CHECKING:
    from types import TracebackType

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        GetObjectRequestTypeDef,
        HeadObjectRequestTypeDef,
        ListObjectVersionsRequestTypeDef,
        ObjectVersionTypeDef,
    )

    from tickstream.errors import ServiceIncomplete, ServiceRefused
    from tickstream.ingests import Source

#: Above S3's minimum of 5 MiB for all parts but the last; 10,000 parts of it are 80 GB.
PART_BYTES: Final = 8 * 1024 * 1024

#: A version that is not there: deleted, or not to be seen yet. For 15 minutes after versioning was first enabled S3 may
#: say so of objects that are there, and its list of versions tells the two apart.
_MISSING_CODES: Final = frozenset({"NoSuchKey", "NoSuchVersion", "NotFound", "404"})
#: (405) hidden behind a delete marker, or (412) other bytes by now.
_GONE_CODES: Final = frozenset({"MethodNotAllowed", "405"})
_GONE_STATUSES: Final = frozenset({405, 412})
#: A thousand versions of one key each. One that is listed further down is not looked for.
_PAGES_OF_VERSIONS: Final = 10
#: How the fields of HeadObject's answer begin that say a checksum, and the one that says of what it is.
_CHECKSUM: Final = "Checksum"
_CHECKSUM_TYPE: Final = "ChecksumType"


class ObjectReader:
    """The bytes of one object version, for one invocation; called with (start, end) as the decoder wants it.

    source: which version of what.
    deadline: until when a broken read is tried again.
    client: the process's own unless given.
    """

    def __init__(self, source: Source, deadline: Deadline, client: S3Client | None = None) -> None:
        self._source = source
        self._deadline = deadline
        self._client = client or clients.s3()

    def __call__(self, start: int, end: int) -> bytes:
        """Return the bytes [start, end), clipped to the object.

        Raises ObjectRejected (object_gone) where the version is not there any more, NotShownYet where S3 lists it all
        the same, ServiceIncomplete for what a retry may cure, ServiceRefused for what it will not.
        """
        end = min(end, self._source.size_bytes)
        if start >= end:
            return b""
        doing = f"S3 GetObject of {self._source.bucket}/{self._source.key}"
        for _ in attempts(self._deadline, doing):
            try:
                # Reading the body is part of the attempt: connections break in the middle of it, and botocore checks
                # the length but does not read again.
                return self._client.get_object(**self._request(start, end))["Body"].read()
            except (BotoCoreError, ClientError) as error:
                if not is_transient(error):
                    raise _explanation(error, doing, self._source, self._client) from error
        raise AssertionError("attempts() ends by raising")

    def _request(self, start: int, end: int) -> GetObjectRequestTypeDef:
        request: GetObjectRequestTypeDef = {
            "Bucket": self._source.bucket,
            "Key": self._source.key,
            "Range": f"bytes={start}-{end - 1}",
        }
        if self._source.version_id in UNVERSIONED:
            request["IfMatch"] = self._source.etag
        else:
            request["VersionId"] = self._source.version_id
        return request


def as_stored(source: Source, client: S3Client | None = None) -> Source:
    """Return the object version with the size and ETag that S3 has of it.

    Raises ObjectRejected (object_gone) where it is not there any more, NotShownYet, ServiceIncomplete, ServiceRefused.
    """
    where: HeadObjectRequestTypeDef = {"Bucket": source.bucket, "Key": source.key}
    if source.version_id not in UNVERSIONED:
        where["VersionId"] = source.version_id
    client = client or clients.s3()
    try:
        found = client.head_object(**where)
    except (BotoCoreError, ClientError) as error:
        raise _explanation(error, f"S3 HeadObject of {source.bucket}/{source.key}", source, client) from error
    return replace(source, etag=found["ETag"].strip('"'), size_bytes=found["ContentLength"])


def stored_checksum(source: Source, deadline: Deadline, client: S3Client | None = None) -> str:
    """Return the checksum that S3 keeps of an object version, with its algorithm; empty where it has none.

    One of an upload in parts is of the whole object, or, where it ends in `-PARTS`, of its parts' checksums.

    Raises ObjectRejected (object_gone), NotShownYet, ServiceIncomplete, ServiceRefused.
    """
    where: HeadObjectRequestTypeDef = {"Bucket": source.bucket, "Key": source.key, "ChecksumMode": "ENABLED"}
    if source.version_id not in UNVERSIONED:
        where["VersionId"] = source.version_id
    doing = f"S3 HeadObject of {source.bucket}/{source.key}"
    client = client or clients.s3()
    for _ in attempts(deadline, doing):
        try:
            found = client.head_object(**where)
        except (BotoCoreError, ClientError) as error:
            if not is_transient(error):
                raise _explanation(error, doing, source, client) from error
            continue
        # An upload names one algorithm, and S3 chooses one where it names none.
        checksums = (f"{name}:{value}" for name, value in found.items() if name.startswith(_CHECKSUM))
        return min((one for one in checksums if not one.startswith(_CHECKSUM_TYPE)), default="")
    raise AssertionError("attempts() ends by raising")


def _explanation(
    error: BotoCoreError | ClientError, doing: str, source: Source, client: S3Client
) -> ObjectRejected | ServiceIncomplete | ServiceRefused:
    """Build what is raised for a failed read; raises the same where S3 cannot be asked for its list of versions."""
    if not isinstance(error, ClientError):
        return explanation(error, doing)
    gone = ObjectRejected(Reason.OBJECT_GONE, f"the object is not there any more ({code_of(error)})")
    if _is_missing(error):
        return NotShownYet(f"{doing}: {code_of(error)}, but it is listed") if _is_listed(source, client) else gone
    if code_of(error) in _GONE_CODES or status_of(error) in _GONE_STATUSES:
        return gone
    return explanation(error, doing)


def _is_missing(error: ClientError) -> bool:
    # A missing bucket is 404 too, but no fault of the object: the stack is being deleted or wrong.
    if code_of(error) == "NoSuchBucket":
        return False
    return code_of(error) in _MISSING_CODES or status_of(error) == 404


def _is_listed(source: Source, client: S3Client) -> bool:
    """Say whether a version stands in S3's list, which is consistent whatever an object's age; not asked for its bytes.

    However old it is: one that is listed and cannot be read is S3's trouble, and its message comes again.
    """
    request: ListObjectVersionsRequestTypeDef = {"Bucket": source.bucket, "Prefix": source.key}
    for _ in range(_PAGES_OF_VERSIONS):
        with explained(f"S3 ListObjectVersions of {source.bucket}/{source.key}"):
            page = client.list_object_versions(**request)
        for version in page.get("Versions", []):
            if version["Key"] == source.key and _is_version(version, source):
                return True
        # The key itself comes before all keys that only begin like it.
        if not page.get("IsTruncated") or page.get("NextKeyMarker") != source.key:
            return False
        request |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    return True  # too many versions to tell: not called gone


def _is_version(version: ObjectVersionTypeDef, source: Source) -> bool:
    if source.version_id in UNVERSIONED:
        return version["VersionId"] in UNVERSIONED and version["ETag"].strip('"') == source.etag
    return version["VersionId"] == source.version_id


def put_line(bucket: str, key: str, line: bytes, client: S3Client | None = None) -> None:
    """Put an object of one line (without its newline), over any that is there.

    Raises ServiceIncomplete or ServiceRefused.
    """
    client = client or clients.s3()
    with explained(f"S3 PutObject of {bucket}/{key}"):
        client.put_object(Bucket=bucket, Key=key, Body=line + b"\n")


class LineWriter:
    """An object that is written line by line, as a multipart upload once it is larger than a part.

    Used as a context manager: leaving it puts the object, all of it at once; leaving it by an exception puts nothing.
    Where no line was added nothing is put either. Writing the same key again replaces the object.

    bucket, key: where.
    client: the process's own unless given.
    """

    def __init__(self, bucket: str, key: str, client: S3Client | None = None) -> None:
        self.lines = 0
        self._bucket = bucket
        self._key = key
        self._client = client or clients.s3()
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []

    def add(self, line: bytes) -> None:
        """Add a line (without its newline). Raises ServiceIncomplete or ServiceRefused."""
        self._buffer += line
        self._buffer += b"\n"
        self.lines += 1
        if len(self._buffer) >= PART_BYTES:
            with explained(self._doing("UploadPart")):
                self._upload_part()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abort()
        elif self._upload_id is not None:
            with explained(self._doing("CompleteMultipartUpload")):
                if self._buffer:
                    self._upload_part()
                self._client.complete_multipart_upload(
                    Bucket=self._bucket,
                    Key=self._key,
                    UploadId=self._upload_id,
                    MultipartUpload={"Parts": self._parts},
                )
        elif self._buffer:
            with explained(self._doing("PutObject")):
                self._client.put_object(Bucket=self._bucket, Key=self._key, Body=bytes(self._buffer))

    def _upload_part(self) -> None:
        if self._upload_id is None:
            # The algorithm is named throughout: botocore adds a CRC32 to each part by itself, but not to the upload
            # that the parts must match, and completing it would fail.
            begun = self._client.create_multipart_upload(Bucket=self._bucket, Key=self._key, ChecksumAlgorithm="CRC32")
            self._upload_id = begun["UploadId"]
        number = len(self._parts) + 1
        answer = self._client.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=bytes(self._buffer),
            ChecksumAlgorithm="CRC32",
        )
        part: CompletedPartTypeDef = {
            "PartNumber": number,
            "ETag": answer["ETag"],
            "ChecksumCRC32": answer["ChecksumCRC32"],
        }
        self._parts.append(part)
        self._buffer.clear()

    def _abort(self) -> None:
        if self._upload_id is None:
            return
        with explained(self._doing("AbortMultipartUpload")):
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._upload_id)

    def _doing(self, action: str) -> str:
        return f"S3 {action} of {self._bucket}/{self._key}"
