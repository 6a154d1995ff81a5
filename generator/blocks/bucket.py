"""Buckets: versioned, private, TLS only, each with a lifecycle of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from awacs import s3 as s3_actions
from awacs.aws import Principal, Statement
from troposphere import AccountId, Ref, Sub, s3
from troposphere.awslambda import Permission

from generator.blocks import encryption, policies

if TYPE_CHECKING:
    from generator.blocks.function import Function
    from generator.blocks.stack import Stack

LIFETIME_DAYS = 30
ARCHIVE_AFTER_DAYS = 90
UNFINISHED_UPLOAD_DAYS = 30


class Bucket:
    """A private, versioned bucket with SSE-S3, or SSE-KMS under a key of the customer's own.

    Args:
        stack: what it is added to.
        title: logical id.
        prefix: the name is `PREFIX-ENV-ACCOUNT-REGION`, because bucket names are global.
        lifecycle: `passing_through()` or `archived()`.

    """

    def __init__(self, stack: Stack, title: str, prefix: str, *, lifecycle: s3.LifecycleConfiguration) -> None:
        self._stack = stack
        self.title = title
        name = f"{stack.name(prefix)}-${{AWS::AccountId}}-${{AWS::Region}}"
        self.arn_by_name = Sub(f"arn:${{AWS::Partition}}:s3:::{name}")
        self._name = name
        self.name = Ref(title)
        self.resource = stack.add(
            s3.Bucket(
                title,
                BucketName=Sub(name),
                BucketEncryption=s3.BucketEncryption(
                    ServerSideEncryptionConfiguration=[
                        stack.with_own_key(
                            s3.ServerSideEncryptionRule(
                                ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(
                                    SSEAlgorithm="aws:kms", KMSMasterKeyID=Ref(encryption.PARAMETER)
                                ),
                                # One request to KMS for many objects, and not one for each.
                                BucketKeyEnabled=True,
                            ),
                            s3.ServerSideEncryptionRule(
                                ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
                            ),
                        )
                    ]
                ),
                VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
                LifecycleConfiguration=lifecycle,
                OwnershipControls=s3.OwnershipControls(
                    Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
                ),
                PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
                    BlockPublicAcls=True,
                    BlockPublicPolicy=True,
                    IgnorePublicAcls=True,
                    RestrictPublicBuckets=True,
                ),
                Tags=stack.tags(),
                DeletionPolicy="Delete",
                UpdateReplacePolicy="Delete",
            )
        )
        self.policy = stack.add(
            s3.BucketPolicy(
                f"{title}Policy",
                Bucket=Ref(title),
                PolicyDocument=policies.document(
                    [
                        policies.deny_insecure_transport(
                            [s3_actions.Action("*")],
                            [self.arn_by_name, self.objects()],
                            principal=Principal("*"),
                        )
                    ]
                ),
            )
        )

    def objects(self, prefix: str = "") -> Sub:
        """Return the ARN pattern of the objects below a prefix, built from the bucket's name."""
        return Sub(f"arn:${{AWS::Partition}}:s3:::{self._name}/{prefix}*")

    def read(self) -> list[Statement]:
        """Return the right to read versions of objects; with ListBucket a missing one is a 404 and not a 403.

        With ListBucketVersions a reader finds out whether a missing one is gone, or only not to be seen yet.

        S3 asks for s3:GetObjectVersion where a version is named, and for s3:GetObject only where none is. The buckets
        are versioned and every reader names the version that it was told of.
        """
        return [
            policies.allow(f"Read{self.title}", [s3_actions.GetObjectVersion], [self.objects()]),
            policies.allow(
                f"List{self.title}", [s3_actions.ListBucket, s3_actions.ListBucketVersions], [self.arn_by_name]
            ),
        ]

    def write(self, prefix: str) -> Statement:
        """Return the right to put objects below one prefix, in one part or many, and nowhere else."""
        return policies.allow(
            f"WriteTo{self.title}", [s3_actions.PutObject, s3_actions.AbortMultipartUpload], [self.objects(prefix)]
        )

    def put(self, prefix: str) -> Statement:
        """Return the right to put objects below one prefix, each in one piece, and nowhere else."""
        return policies.allow(f"PutTo{self.title}", [s3_actions.PutObject], [self.objects(prefix)])

    def read_back(self, prefix: str) -> list[Statement]:
        """Return the right to read what functions themselves have put below one prefix: the newest, by its key alone.

        With ListBucket a missing one is a 404 and not a 403. S3 knows no narrower right for that: the prefix of a
        list is no part of a read.
        """
        return [
            policies.allow(f"ReadBack{self.title}", [s3_actions.GetObject], [self.objects(prefix)]),
            policies.allow(f"List{self.title}", [s3_actions.ListBucket], [self.arn_by_name]),
        ]

    def notify(self, function: Function) -> None:
        """Invoke `function` for every object created.

        The bucket waits for the permission (S3 tries the function when the notification is set), so the permission
        names the bucket by name. A bucket's ARN has no account in it, and a name becomes free with its deletion:
        SourceAccount keeps a stranger's later bucket of that name out.
        """
        permission = self._stack.add(
            Permission(
                f"{function.title}InvokedBy{self.title}",
                Action="lambda:InvokeFunction",
                FunctionName=Ref(function.title),
                Principal="s3.amazonaws.com",
                SourceArn=self.arn_by_name,
                SourceAccount=AccountId,
            )
        )
        self.resource.NotificationConfiguration = s3.NotificationConfiguration(
            LambdaConfigurations=[s3.LambdaConfigurations(Event="s3:ObjectCreated:*", Function=function.arn_by_name)]
        )
        self.resource.DependsOn = permission.title


def passing_through() -> s3.LifecycleConfiguration:
    """Return the lifecycle of data that passes through.

    An object expires after 30 days, which in a versioned bucket only hides it; its bytes go 30 days later. So an
    object lives up to 60 days in all, and its delete marker until the next daily run.

    Delete markers stand in a rule of their own: S3 refuses ExpiredObjectDeleteMarker beside ExpirationInDays.
    """
    return s3.LifecycleConfiguration(
        Rules=[
            s3.LifecycleRule(
                Id="expire-objects",
                Status="Enabled",
                ExpirationInDays=LIFETIME_DAYS,
                NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(NoncurrentDays=LIFETIME_DAYS),
                AbortIncompleteMultipartUpload=_abandon_uploads(),
            ),
            s3.LifecycleRule(Id="expire-delete-markers", Status="Enabled", ExpiredObjectDeleteMarker=True),
        ]
    )


def archived() -> s3.LifecycleConfiguration:
    """Return the lifecycle of data that is kept: every version moves to Glacier after 90 days, none expires.

    By default S3 moves no object below 128 KB, because Glacier bills 40 KB of overhead for each; files here are
    often smaller and are to be archived all the same.
    """
    return s3.LifecycleConfiguration(
        TransitionDefaultMinimumObjectSize="varies_by_storage_class",
        Rules=[
            s3.LifecycleRule(
                Id="archive-objects",
                Status="Enabled",
                Transitions=[
                    s3.LifecycleRuleTransition(StorageClass="GLACIER", TransitionInDays=ARCHIVE_AFTER_DAYS),
                ],
                NoncurrentVersionTransitions=[
                    s3.NoncurrentVersionTransition(StorageClass="GLACIER", TransitionInDays=ARCHIVE_AFTER_DAYS),
                ],
                AbortIncompleteMultipartUpload=_abandon_uploads(),
            )
        ],
    )


def _abandon_uploads() -> s3.AbortIncompleteMultipartUpload:
    """Return the rule that parts of an upload which nobody completes are not kept, or billed, for ever."""
    return s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=UNFINISHED_UPLOAD_DAYS)
