from __future__ import annotations

import pytest
import requests

from dlcluster.cloud.session import Session
from dlcluster.cloud.store import Store
from dlcluster.errors import Exit, UserError


@pytest.fixture
def store(session, cluster):
    session.client("s3").create_bucket(Bucket=f"dlcluster-{cluster}")
    return Store(session, f"dlcluster-{cluster}")


def test_what_is_put_can_be_found_read_listed_and_saved(store, tmp_path):
    store.put("jobs/a/x", b"one")
    file = tmp_path / "two"
    file.write_bytes(b"two")
    store.put("jobs/b/y", file)
    assert store.exists("jobs/a/x")
    assert not store.exists("jobs/a/z")
    assert store.get("jobs/b/y") == b"two"
    assert store.keys("jobs/a") == ["jobs/a/x"]
    store.download("jobs/a/x", tmp_path / "deep" / "down")
    assert (tmp_path / "deep" / "down").read_bytes() == b"one"


def test_delete_removes_old_versions_and_delete_markers_too(store, session):
    s3 = session.client("s3")
    s3.put_bucket_versioning(Bucket=store.bucket, VersioningConfiguration={"Status": "Enabled"})
    store.put("k", b"1")
    store.put("k", b"2")
    s3.delete_object(Bucket=store.bucket, Key="k")
    assert store.delete() == 3
    s3.delete_bucket(Bucket=store.bucket)  # refuses unless it is truly empty


def test_a_presigned_address_reads_the_object(store):
    store.put("bundles/x", b"content")
    answer = requests.get(store.url("bundles/x"), timeout=5)
    assert answer.content == b"content"


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_on_aws_an_address_is_signed_for_the_regions_own_host_with_version_4(region, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    link = Store(Session("aws", region), "dlcluster-x").url("bundles/x")
    assert link.startswith(f"https://dlcluster-x.s3.{region}.amazonaws.com/bundles/x?X-Amz-Algorithm=AWS4-HMAC-SHA256")


def test_a_missing_bucket_is_a_clear_error(session):
    with pytest.raises(UserError) as caught:
        Store(session, "dlcluster-none").get("k")
    assert "s3://dlcluster-none/k" in caught.value.what
    assert caught.value.code == Exit.UNAVAILABLE


def test_a_missing_bucket_is_a_clear_error_for_files_too(session, tmp_path):
    path = tmp_path / "bundle"
    path.write_bytes(b"code")
    with pytest.raises(UserError, match="NoSuchBucket"):
        Store(session, "nowhere").put("bundles/x", path)
