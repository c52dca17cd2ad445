"""One session per command: where the API is, whose credentials, and what its errors mean to a user."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dlcluster.errors import Exit, UserError

# What the embedded cloud accepts. Never the user's environment: a rehearsal must not touch real keys.
LOCAL_CREDENTIALS = {"aws_access_key_id": "LOCAL", "aws_secret_access_key": "LOCAL"}

_BUSY = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown", "TooManyRequestsException"}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
}


@dataclass
class Session:
    """Clients for one cloud and region. `endpoint` is None on AWS; `poll`: seconds between looks at long work."""

    cloud: str
    region: str
    ssh_port: int = 22
    endpoint: str | None = None
    profile: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def poll(self) -> float:
        return 0.1 if self.cloud == "local" else 2.0

    def in_region(self, region: str) -> Session:
        """The same cloud and credentials elsewhere."""
        if region == self.region:
            return self
        return type(self)(self.cloud, region, self.ssh_port, self.endpoint, self.profile)

    def client(self, service: str) -> Any:
        """A cached, thread-safe client of botocore, boto3's own lower half."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        from botocore.config import Config

        config = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=10, read_timeout=60)
        if service == "s3":
            # Addresses are signed for the region's own host and with version 4: left alone, the SDK signs for the
            # global host with version 2, which buckets made since 2020 refuse.
            virtual: Any = {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
            config = config.merge(Config(signature_version="s3v4", s3=virtual))
        options: dict[str, Any] = {"config": config}
        if self.cloud == "local":
            options |= {"endpoint_url": self.endpoint, **LOCAL_CREDENTIALS}
        return self._sdk().create_client(service, self.region, **options)

    def _sdk(self) -> Any:
        # botocore's own session: boto3 adds resources and transfers, which most commands would load for nothing.
        if not hasattr(self, "_botocore"):
            from botocore.exceptions import ProfileNotFound
            from botocore.session import Session as Botocore

            from dlcluster.cloud.models import Models

            try:
                if self.cloud == "local":
                    os.environ.pop("AWS_PROFILE", None)
                session = Botocore(profile=self.profile)
                session.get_scoped_config()  # a profile that is not there is told now
                session.register_component("data_loader", Models(session.get_component("data_loader").search_paths))
                self._botocore = session
            except ProfileNotFound as error:
                raise UserError(
                    str(error), where="profile", hint="see `aws configure list-profiles`", code=Exit.DENIED
                ) from None
        return self._botocore


def error_code(error: Exception) -> str:
    """The AWS error code of a botocore ClientError, else ''."""
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Turn what botocore raises into a UserError that says what was being done."""
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        code, message = error_code(error), error.response["Error"].get("Message", "")
        denied = code in _DENIED
        hint = "check the credentials and their permissions: `aws sts get-caller-identity`" if denied else ""
        if code in _BUSY or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            hint = "try again in a minute; on the embedded cloud see `dlcluster local fault list`"
        exit_code = Exit.DENIED if denied else Exit.UNAVAILABLE
        raise UserError(f"{doing}: {code}: {message}", where="AWS", hint=hint, code=exit_code) from error
    except NoCredentialsError as error:
        raise UserError(
            f"{doing}: no AWS credentials found",
            hint="run `aws configure`, or rehearse for free with `cloud: local`",
            code=Exit.DENIED,
        ) from error
    except EndpointConnectionError as error:
        raise UserError(
            f"{doing}: {error}",
            hint="is the network up? for `cloud: local` see `dlcluster local status`",
            code=Exit.UNAVAILABLE,
        ) from error
    except BotoCoreError as error:
        raise UserError(f"{doing}: {error}", code=Exit.UNAVAILABLE) from error
