from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from dlcluster.local.aws.front import Emulator, serve

TLS_ONLY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": "arn:aws:s3:::policed/*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}


@pytest.fixture(scope="module")
def s3():
    emulator = Emulator()
    server = serve(emulator)
    keys = {"aws_access_key_id": "user", "aws_secret_access_key": "user"}
    yield boto3.client("s3", region_name="us-east-1", endpoint_url=server.endpoint, **keys)
    emulator.close()
    server.close()


def test_a_policy_with_a_condition_is_kept_and_does_not_lock_everybody_out(s3):
    s3.create_bucket(Bucket="policed")
    s3.put_bucket_policy(Bucket="policed", Policy=json.dumps(TLS_ONLY))
    assert json.loads(s3.get_bucket_policy(Bucket="policed")["Policy"]) == TLS_ONLY
    s3.put_object(Bucket="policed", Key="k", Body=b"x")
    assert s3.get_object(Bucket="policed", Key="k")["Body"].read() == b"x"
    s3.delete_object(Bucket="policed", Key="k")
    s3.delete_bucket_policy(Bucket="policed")
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="policed")


def test_a_policy_goes_with_its_bucket(s3):
    s3.create_bucket(Bucket="again")
    s3.put_bucket_policy(Bucket="again", Policy=json.dumps(TLS_ONLY).replace("policed", "again"))
    s3.delete_bucket(Bucket="again")
    s3.create_bucket(Bucket="again")
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="again")


def test_a_malformed_policy_is_refused(s3):
    s3.create_bucket(Bucket="strict")
    with pytest.raises(ClientError, match="MalformedPolicy"):
        s3.put_bucket_policy(Bucket="strict", Policy="not json")
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="strict")
