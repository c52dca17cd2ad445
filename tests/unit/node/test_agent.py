"""The node agent: signatures, metadata, tags, objects; against botocore's signer and a fake AWS on loopback."""

from __future__ import annotations

import calendar
import hashlib
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dlcluster.node import agent

KEYS = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "Token": "t/ok=en"}

S3 = "https://s3.eu-west-1.amazonaws.com"


def _both(signer, method, url, headers, body, service, digest, keys=KEYS):
    theirs = AWSRequest(method, url, headers=dict(headers), data=body)
    theirs.context["payload_signing_enabled"] = digest != agent.UNSIGNED
    credentials = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("Token"))
    signer(credentials, service, "eu-west-1").add_auth(theirs)
    now = calendar.timegm(time.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    ours = agent.sign(method, url, headers, digest, keys, "eu-west-1", service, now)
    return ours["authorization"], theirs.headers["Authorization"]


@pytest.mark.parametrize("keys", [KEYS, {**KEYS, "Token": ""}], ids=["role", "long-lived"])
def test_signs_a_query_request_as_botocore_does(keys):
    body = b"Action=CreateTags&Version=2016-11-15&Tag.1.Value=a+b%2Fc"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    digest = hashlib.sha256(body).hexdigest()
    url = "https://ec2.eu-west-1.amazonaws.com/"
    ours, theirs = _both(SigV4Auth, "POST", url, headers, body, "ec2", digest, keys)
    assert ours == theirs


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET", f"{S3}/bucket/jobs/1/job.json", {}),
        (
            "PUT",
            "https://s3.eu-west-1.amazonaws.com/bucket/jobs/1/output/a%20b%2Bc~.pt",
            {"content-length": "12", "content-md5": "x"},
        ),
        ("GET", f"{S3}/bucket?list-type=2&prefix=jobs%2F1&delimiter=%2F", {}),
        ("GET", "https://host.example:8443/bucket/key", {}),
    ],
)
def test_signs_an_s3_request_as_botocore_does(method, url, headers):
    digest = agent.UNSIGNED if "content-md5" in headers else hashlib.sha256(b"").hexdigest()
    ours, theirs = _both(S3SigV4Auth, method, url, headers, b"", "s3", digest)
    assert ours == theirs


def test_metadata_is_asked_with_a_session_token(fake_aws):
    assert agent.metadata("meta-data/instance-id") == "i-0123456789abcdef0"
    assert [method for method, path in fake_aws.seen if "latest" in path] == ["PUT", "GET"]


def test_tags_go_to_the_own_instance_in_one_signed_call(fake_aws):
    agent.tag({"dlcluster:state": "ready", "dlcluster:host-key": "ssh-ed25519 AAAA+/="})
    assert fake_aws.tags == {"dlcluster:state": "ready", "dlcluster:host-key": "ssh-ed25519 AAAA+/="}
    [call] = fake_aws.calls
    assert parse_qs(call.body)["ResourceId.1"] == ["i-0123456789abcdef0"]
    assert call.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=ASIAFAKE/")
    assert call.headers["x-amz-security-token"] == "fake-token"


@pytest.mark.parametrize(
    "refusal",
    [(503, "RequestLimitExceeded"), (403, "UnauthorizedOperation"), (400, "InvalidInstanceID.NotFound"), (500, "")],
)
def test_a_passing_refusal_is_tried_again(fake_aws, refusal, monkeypatch):
    monkeypatch.setattr(agent.time, "sleep", lambda seconds: None)
    fake_aws.refuse = [refusal, refusal]
    agent.tag({"dlcluster:state": "ready"})
    assert fake_aws.tags == {"dlcluster:state": "ready"}
    assert len(fake_aws.calls) == 3


def test_a_lasting_refusal_is_an_error_at_once(fake_aws):
    fake_aws.refuse = [(400, "InvalidParameterValue")]
    with pytest.raises(agent.AwsError) as error:
        agent.tag({"dlcluster:state": "ready"})
    assert error.value.code == "InvalidParameterValue"
    assert len(fake_aws.calls) == 1


def test_a_role_that_is_not_there_yet_is_waited_for(fake_aws, monkeypatch):
    monkeypatch.setattr(agent.time, "sleep", lambda seconds: None)
    fake_aws.roleless = 2
    agent.tag({"dlcluster:state": "ready"})
    assert fake_aws.tags == {"dlcluster:state": "ready"}


def test_patience_ends(fake_aws, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(agent.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(agent.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    fake_aws.refuse = [(503, "SlowDown")] * 1000
    with pytest.raises(agent.AwsError, match="SlowDown"):
        agent.put_object("bucket", "jobs/1/x", __file__)
    assert 30 < clock[0] <= 60


def test_objects_go_there_and_back(fake_aws, tmp_path: Path):
    source, sink = tmp_path / "model.pt", tmp_path / "copy.pt"
    source.write_bytes(bytes(range(256)) * 4096)
    agent.put_object("bucket", "jobs/1/output/a b.pt", str(source))
    assert list(fake_aws.objects) == ["/bucket/jobs/1/output/a%20b.pt"]
    agent.get_object("bucket", "jobs/1/output/a b.pt", str(sink))
    assert sink.read_bytes() == source.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.pt", "model.pt"]


def test_a_missing_object_leaves_no_file(fake_aws, tmp_path: Path):
    with pytest.raises(agent.AwsError) as error:
        agent.get_object("bucket", "nothing", str(tmp_path / "copy"))
    assert (error.value.status, error.value.code) == (404, "NoSuchKey")
    assert list(tmp_path.iterdir()) == []


def test_a_cut_answer_is_not_taken_for_the_object(fake_aws, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(agent, "_patiently", lambda action, seconds: action())
    fake_aws.objects["/bucket/key"] = b"x" * 100
    fake_aws.missing = 10
    with pytest.raises(OSError, match="10 bytes are missing"):
        agent.get_object("bucket", "key", str(tmp_path / "copy"))
    assert not (tmp_path / "copy").exists()


def test_a_missing_file_is_an_error_at_once(fake_aws, tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        agent.put_object("bucket", "key", str(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ready", "ready"),
        ('failed: pip\'s "x" <y>\n\tno; way', "failed: pip s x y no way"),
        ("é" + "a" * 300, "a" * 256),
        ("ssh-ed25519 AAAAC3Nz+/==", "ssh-ed25519 AAAAC3Nz+/=="),
    ],
)
def test_tag_text_keeps_to_what_aws_admits(text, kept):
    assert agent.tag_text(text) == kept


@pytest.mark.parametrize(
    ("region", "host"),
    [("us-west-2", "ec2.us-west-2.amazonaws.com"), ("cn-north-1", "ec2.cn-north-1.amazonaws.com.cn")],
)
def test_endpoints_follow_the_region(region, host, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert agent._endpoint("ec2", region) == f"https://{host}"


def test_the_command_line_stores_and_fetches(fake_aws, tmp_path: Path):
    (tmp_path / "in").write_text("42")
    for arguments in (["put", "b", "k", str(tmp_path / "in")], ["get", "b", "k", str(tmp_path / "out")]):
        subprocess.run([sys.executable, "-IS", agent.__file__, *arguments], check=True, timeout=30)
    assert (tmp_path / "out").read_text() == "42"
