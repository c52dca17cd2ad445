"""The front: which call a request is, faults, the call log, S3 by presigned URLs, the server."""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from dlcluster.local.aws.calls import Fault
from dlcluster.local.aws.routing import identify


@pytest.fixture(autouse=True)
def calm(cloud: Any) -> Any:
    """No fault and an empty log before each test."""
    cloud.emulator.faults.clear()
    cloud.emulator.calls.clear()
    return cloud


def last(cloud: Any) -> Any:
    return list(cloud.emulator.calls)[-1]


CALLS: list[tuple[str, str, dict[str, Any], str]] = [
    ("ec2", "describe_vpcs", {}, "DescribeVpcs"),
    ("autoscaling", "describe_auto_scaling_groups", {}, "DescribeAutoScalingGroups"),
    ("iam", "list_roles", {}, "ListRoles"),
    ("ssm", "describe_parameters", {}, "DescribeParameters"),
    ("logs", "describe_log_groups", {}, "DescribeLogGroups"),
    ("cloudwatch", "describe_alarms", {}, "DescribeAlarms"),
    ("efs", "describe_file_systems", {}, "DescribeFileSystems"),
    ("sts", "get_caller_identity", {}, "GetCallerIdentity"),
    ("s3", "list_buckets", {}, "ListBuckets"),
    ("sqs", "list_queues", {}, "ListQueues"),
    ("sns", "list_topics", {}, "ListTopics"),
]


@pytest.mark.parametrize(("service", "method", "params", "action"), CALLS)
def test_the_log_names_service_and_action_of_every_protocol(
    cloud: Any, service: str, method: str, params: dict[str, Any], action: str
) -> None:
    getattr(cloud.client(service), method)(**params)
    record = last(cloud)
    assert (record.service, record.action, record.status, record.error) == (service, action, 200, None)
    assert (record.region, record.access_key, record.origin) == ("us-east-1", "user", "user")


@pytest.mark.parametrize(("service", "method", "params", "action"), CALLS)
def test_a_fault_reaches_the_caller_in_the_words_of_the_protocol(
    cloud: Any, service: str, method: str, params: dict[str, Any], action: str
) -> None:
    cloud.emulator.faults.add(Fault("ThrottlingException", "Rate exceeded", service=service, action=action))
    with pytest.raises(ClientError) as error:
        getattr(cloud.client(service), method)(**params)
    assert error.value.response["Error"]["Code"] == "ThrottlingException"
    assert error.value.response["Error"]["Message"] == "Rate exceeded"
    assert last(cloud).error == "ThrottlingException"
    getattr(cloud.client(service), method)(**params)


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "action"),
    [
        ("GET", "/b", "list-type=2&prefix=x", {}, "ListObjectsV2"),
        ("GET", "/b", "", {}, "ListObjects"),
        ("GET", "/b", "versioning", {}, "GetBucketVersioning"),
        ("PUT", "/b", "", {}, "CreateBucket"),
        ("PUT", "/b/a/key", "", {}, "PutObject"),
        ("PUT", "/b/a/key", "", {"HTTP_X_AMZ_COPY_SOURCE": "/b/other"}, "CopyObject"),
        ("PUT", "/b/key", "partNumber=1&uploadId=u", {}, "UploadPart"),
        ("POST", "/b/key", "uploads", {}, "CreateMultipartUpload"),
        ("POST", "/b/key", "uploadId=u", {}, "CompleteMultipartUpload"),
        ("POST", "/b", "delete", {}, "DeleteObjects"),
        ("HEAD", "/b/key", "", {}, "HeadObject"),
        ("DELETE", "/b/key", "", {}, "DeleteObject"),
        ("DELETE", "/b", "", {}, "DeleteBucket"),
    ],
)
def test_an_s3_request_is_known_by_its_parts(
    method: str, path: str, query: str, headers: dict[str, str], action: str
) -> None:
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, **headers}
    assert (identify(environ).service, identify(environ).action) == ("s3", action)


def test_faults_count_calls_and_tell_origins_apart(cloud: Any) -> None:
    cloud.emulator.faults.add(Fault("Unavailable", origin="autoscaling", status=503, nth=2, times=1))
    ours = cloud.emulator.client("ec2", "us-east-1", origin="autoscaling")
    cloud.client("ec2").describe_vpcs()
    ours.describe_vpcs()
    with pytest.raises(ClientError, match="Unavailable"):
        ours.describe_vpcs()
    ours.describe_vpcs()
    assert [call.origin for call in cloud.emulator.calls] == ["user", *["autoscaling"] * 3]


def test_changes_are_announced_and_reads_are_not(cloud: Any) -> None:
    before = cloud.changes
    cloud.client("ec2").describe_vpcs()
    assert cloud.changes == before
    cloud.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    assert cloud.changes == before + 1


def test_an_instance_is_known_by_its_access_key(cloud: Any) -> None:
    image = "ami-12c6146b"
    made = cloud.client("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    credentials = cloud.emulator.compute.credentials(made)
    with pytest.raises(ClientError, match="AuthFailure"):  # a key without its token
        cloud.client("ec2", access_key=credentials["AccessKeyId"]).describe_vpcs()
    assert last(cloud).origin == "node"
    assert cloud.emulator.compute.caller(last(cloud).access_key) == made
    assert cloud.emulator.compute.caller("AKIAUSER") is None


def test_an_operation_that_is_not_ours_is_refused_clearly(cloud: Any) -> None:
    with pytest.raises(ClientError, match="Not emulated here: DescribeWarmPool of autoscaling"):
        cloud.client("autoscaling").describe_warm_pool(AutoScalingGroupName="g")


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_presigned_urls_put_and_get_objects(cloud: Any, style: str, signature: str) -> None:
    endpoint = cloud.server.endpoint if style == "path" else cloud.server.endpoint.replace("127.0.0.1", "localhost")
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="user",
        aws_secret_access_key="secret",
        config=Config(signature_version=signature, s3={"addressing_style": style}),
    )
    cloud.client("s3").create_bucket(Bucket="bundles")
    key = {"Bucket": "bundles", "Key": f"{style}/{signature} bundle+1.tar.gz"}
    for method, action, data in (("put_object", "PutObject", b"x" * 100_000), ("get_object", "GetObject", None)):
        url = s3.generate_presigned_url(method, key)
        # A client connects to the address whatever name of the endpoint the URL carries.
        request = urllib.request.Request(url, data=data, method="PUT" if data else "GET")
        host, request.host = request.host, f"127.0.0.1:{cloud.server.port}"
        request.add_unredirected_header("Host", host)
        with urllib.request.urlopen(request) as answer:
            body = answer.read()
        assert (last(cloud).action, last(cloud).access_key) == (action, "user")
    assert body == b"x" * 100_000
    assert cloud.client("s3").get_object(**key)["Body"].read() == b"x" * 100_000


@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_an_expired_url_is_refused(cloud: Any, signature: str) -> None:
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=cloud.server.endpoint,
        aws_access_key_id="user",
        aws_secret_access_key="secret",
        config=Config(signature_version=signature),
    )
    url = s3.generate_presigned_url("get_object", {"Bucket": "bundles", "Key": "k"}, ExpiresIn=-5)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(url)
    assert (error.value.code, b"Request has expired" in error.value.read()) == (403, True)


def test_the_log_knows_the_code_of_every_refusal(cloud: Any) -> None:
    for service, method, params, code in [
        ("s3", "get_object", {"Bucket": "no-such-bucket", "Key": "k"}, "NoSuchBucket"),
        ("ec2", "describe_subnets", {"SubnetIds": ["subnet-00000000"]}, "InvalidSubnetID.NotFound"),
        ("iam", "get_role", {"RoleName": "nobody"}, "NoSuchEntity"),
        ("logs", "delete_log_group", {"logGroupName": "none"}, "ResourceNotFoundException"),
    ]:
        with pytest.raises(ClientError):
            getattr(cloud.client(service), method)(**params)
        assert last(cloud).error == code


def test_a_missing_object_is_told_from_a_missing_bucket(cloud: Any) -> None:
    cloud.client("s3").create_bucket(Bucket="bundles")
    with pytest.raises(ClientError, match="NoSuchKey"):
        cloud.client("s3").get_object(Bucket="bundles", Key="none")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        cloud.client("s3").get_object(Bucket="no-such-bucket", Key="none")


def test_objects_in_parts_and_streams_arrive_whole(cloud: Any, tmp_path: Any) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="bundles")
    source = tmp_path / "bundle"
    source.write_bytes(bytes(range(256)) * 40_000)  # above boto3's limit for one part
    s3.upload_file(str(source), "bundles", "parts")
    s3.download_file("bundles", "parts", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_one_connection_serves_many_calls(cloud: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.server.port)
    connection.connect()
    socket = connection.sock
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read()
    assert connection.sock is socket
    connection.close()


def test_sixty_four_clients_are_served_at_once(cloud: Any) -> None:
    cloud.client("s3").create_bucket(Bucket="bundles")
    cloud.client("s3").put_object(Bucket="bundles", Key="k", Body=b"v")
    url = cloud.client("s3").generate_presigned_url("get_object", {"Bucket": "bundles", "Key": "k"})
    start, bodies = threading.Barrier(64), []

    def fetch() -> None:
        start.wait()
        with urllib.request.urlopen(url) as answer:
            bodies.append(answer.read())

    threads = [threading.Thread(target=fetch) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [b"v"] * 64


def test_a_chunked_upload_arrives_whole(cloud: Any) -> None:
    cloud.client("s3").create_bucket(Bucket="bundles")
    url = cloud.client("s3").generate_presigned_url("put_object", {"Bucket": "bundles", "Key": "chunks"})
    connection = http.client.HTTPConnection("127.0.0.1", cloud.server.port)
    connection.request("PUT", url.split(str(cloud.server.port))[1], body=iter([b"ab", b"cd"]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})  # fmt: skip
    assert connection.getresponse().status == 200
    connection.close()
    assert cloud.client("s3").get_object(Bucket="bundles", Key="chunks")["Body"].read() == b"abcd"
