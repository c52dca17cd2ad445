"""The cluster's bucket: bundles, job records, logs and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dlcluster.cloud.session import Session, aws_errors, error_code


class Store:
    """Objects of one bucket. Keys are as documented in docs/jobs.md."""

    def __init__(self, session: Session, bucket: str) -> None:
        self.bucket = bucket
        self._session = session

    @property
    def _s3(self) -> Any:
        return self._session.client("s3")

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        from botocore.exceptions import ClientError

        with aws_errors(f"looking for s3://{self.bucket}/{key}"):
            try:
                self._s3.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error_code(error) in {"404", "NoSuchKey", "NotFound"}:
                    return False
                raise
        return True

    def put(self, key: str, data: bytes | Path) -> None:
        """Store bytes or a file (large files in parts)."""
        with aws_errors(f"writing s3://{self.bucket}/{key}"):
            if isinstance(data, Path):
                self._upload(key, data)
            else:
                self._s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def _upload(self, key: str, path: Path) -> None:
        from boto3.exceptions import S3UploadFailedError
        from boto3.s3.transfer import S3Transfer

        try:
            with S3Transfer(self._s3) as transfer:
                transfer.upload_file(str(path), self.bucket, key)
        except S3UploadFailedError as error:  # it tells less than what it wraps
            raise error.__context__ or error from None

    def get(self, key: str) -> bytes:
        """The object's content."""
        with aws_errors(f"reading s3://{self.bucket}/{key}"):
            body: bytes = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            return body

    def download(self, key: str, path: Path) -> None:
        """Write the object to a file; the file appears only when it is complete (boto3 renames it)."""
        from boto3.s3.transfer import S3Transfer

        path.parent.mkdir(parents=True, exist_ok=True)
        with aws_errors(f"reading s3://{self.bucket}/{key}"), S3Transfer(self._s3) as transfer:
            transfer.download_file(self.bucket, key, str(path))

    def url(self, key: str, seconds: int = 3600) -> str:
        """A presigned URL to read the object, valid for `seconds`."""
        with aws_errors("signing a download address"):
            link: str = self._s3.generate_presigned_url(
                "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
            )
            return link

    def keys(self, prefix: str = "") -> list[str]:
        """All keys below the prefix, sorted."""
        return [entry["Key"] for entry in self.entries(prefix)]

    def entries(self, prefix: str = "") -> list[dict[str, Any]]:
        """Key, Size and LastModified of every object below the prefix."""
        with aws_errors(f"listing s3://{self.bucket}/{prefix}"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            return [entry for page in pages for entry in page.get("Contents", [])]

    def delete(self, prefix: str = "") -> int:
        """Remove every object and every old version below the prefix; returns how many."""
        removed = 0
        with aws_errors(f"emptying s3://{self.bucket}/{prefix}"):
            for batch in self._versions(prefix):
                answer = self._s3.delete_objects(Bucket=self.bucket, Delete={"Objects": batch, "Quiet": True})
                removed += len(batch) - len(answer.get("Errors", []))
        return removed

    def _versions(self, prefix: str) -> Iterator[list[dict[str, str]]]:
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            rows = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if rows:
                yield [{"Key": row["Key"], "VersionId": row["VersionId"]} for row in rows]
