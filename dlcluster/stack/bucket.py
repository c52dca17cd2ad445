"""The cluster's bucket: private, encrypted, TLS only; code bundles expire."""

from __future__ import annotations

from troposphere import GetAtt, Ref, Sub, Template, s3

from dlcluster.config.model import Bucket


def add_bucket(template: Template, config: Bucket) -> None:
    """The bucket and its policy. `keep` leaves it behind when the stack is deleted, but not when it never came up."""
    template.add_resource(
        s3.Bucket(
            "Bucket",
            DeletionPolicy="RetainExceptOnCreate" if config.keep else "Delete",
            UpdateReplacePolicy="Retain" if config.keep else "Delete",
            PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
                BlockPublicAcls=True,
                BlockPublicPolicy=True,
                IgnorePublicAcls=True,
                RestrictPublicBuckets=True,
            ),
            OwnershipControls=s3.OwnershipControls(
                Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
            ),
            BucketEncryption=s3.BucketEncryption(
                ServerSideEncryptionConfiguration=[
                    s3.ServerSideEncryptionRule(
                        ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
                    )
                ]
            ),
            LifecycleConfiguration=s3.LifecycleConfiguration(Rules=_lifecycle(config.expire_days)),
        )
    )
    template.add_resource(
        s3.BucketPolicy(
            "BucketPolicy",
            Bucket=Ref("Bucket"),
            PolicyDocument={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "TlsOnly",
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Resource": [GetAtt("Bucket", "Arn"), Sub("${Bucket.Arn}/*")],
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ],
            },
        )
    )


def _lifecycle(expire_days: int) -> list[s3.LifecycleRule]:
    return [
        s3.LifecycleRule(Id="expire-bundles", Status="Enabled", Prefix="bundles/", ExpirationInDays=expire_days),
        s3.LifecycleRule(
            Id="abort-multipart",
            Status="Enabled",
            AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(DaysAfterInitiation=1),
        ),
    ]
