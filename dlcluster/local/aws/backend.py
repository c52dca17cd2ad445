"""moto as a backend in this process: a WSGI application, and calls made without a socket."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from dlcluster.local.aws.quick import quicken
from dlcluster.local.aws.wire import AwsError, service_model, share_model_files

# What may run beside everything else: objects move in bulk, long polls wait, type tables take seconds.
_UNLOCKED_SERVICES = {"s3", "sqs"}
_UNLOCKED_ACTIONS = {"DescribeInstanceTypes", "DescribeInstanceTypeOfferings", "DescribeImages"}


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Backend:
    """moto's services behind one lock: its state is not made for threads.

    moto keeps its state per process, so a new Backend starts from an empty cloud.
    """

    def __init__(self) -> None:
        share_model_files()
        from moto.cloudwatch.responses import CloudWatchResponse
        from moto.core import DEFAULT_ACCOUNT_ID
        from moto.core.serialize import return_if_not_empty
        from moto.ec2.responses._base_response import EC2BaseResponse
        from moto.moto_api._internal import moto_api_backend
        from moto.server import DomainDispatcherApplication, create_backend_app

        self.account_id: str = DEFAULT_ACCOUNT_ID
        self.lock = threading.RLock()
        quicken()
        # moto's PutMetricAlarm takes a composite alarm's rule, but no operation of the name leads there.
        CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm
        # What an instance does not have is left out, as on AWS.
        told = EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER
        told["InstanceNetworkInterface.Association"] = return_if_not_empty
        told["Instance.StateReason"] = lambda reason: reason if reason and reason.code else None
        told["Instance.HibernationOptions"] = lambda options: options or {"Configured": False}
        self._application = DomainDispatcherApplication(create_backend_app)
        moto_api_backend.reset()

    def respond(self, environ: dict[str, Any], service: str, action: str) -> Answer:
        """Let moto answer a WSGI request."""
        if service in _UNLOCKED_SERVICES or action in _UNLOCKED_ACTIONS:
            return self._run(environ)
        with self.lock:
            return self._run(environ)

    def call(
        self, service: str, action: str, params: dict[str, Any], region: str, access_key: str = "emulator"
    ) -> dict[str, Any]:
        """Make a call, as the account's owner if no access key is given; raises AwsError as moto answers it."""
        model = service_model(service)
        operation = model.operation_model(action)
        protocol = model.metadata["protocol"]
        request = create_serializer(protocol, include_validation=False).serialize_to_request(params, operation)
        answer = self.respond(_environ(request, service, region, access_key), service, action)
        headers = {name.lower(): value for name, value in answer.headers}
        raw = {"body": answer.body, "status_code": answer.status, "headers": headers}
        output: Any = operation.output_shape
        parsed = create_parser(protocol).parse(raw, output)
        if answer.status >= 300:
            error = parsed.get("Error", {})
            raise AwsError(error.get("Code", "InternalFailure"), error.get("Message", ""), answer.status)
        parsed.pop("ResponseMetadata", None)
        return parsed

    def ec2_answer(self, action: str, result: Any, request_id: str) -> bytes:
        """What an operation of EC2 answers, in the words in which moto tells of its own objects."""
        from moto.core.serialize import EC2Serializer, SerializationContext, XFormedAttributePicker
        from moto.core.utils import get_service_model
        from moto.ec2.responses._base_response import EC2BaseResponse

        picker = XFormedAttributePicker(response_transformers=EC2BaseResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER)
        operation = get_service_model("ec2").operation_model(action)
        serializer = EC2Serializer(operation, SerializationContext(request_id), value_picker=picker)
        return str(serializer.serialize(result)["body"]).encode()

    @staticmethod
    def shape(service: str, action: str) -> Any:
        """The input shape of an operation."""
        return service_model(service).operation_model(action).input_shape

    def ec2(self, region: str) -> Any:
        """moto's own EC2 state of a region, for compute and janitor alone."""
        from moto.ec2.models import ec2_backends

        return ec2_backends[self.account_id][region]

    def instance(self, region: str, instance_id: str) -> Any:
        """moto's own instance; raises AwsError(InvalidInstanceID.NotFound)."""
        for reservation in list(self.ec2(region).reservations.values()):
            for instance in reservation.instances:
                if instance.id == instance_id:
                    return instance
        raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")

    def instance_types(self, region: str, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        """All instance types that pass the filters, by name. Raises AwsError for a filter that EC2 does not have."""
        from moto.core.exceptions import ServiceException

        try:
            found: list[dict[str, Any]] = self.ec2(region).describe_instance_types(filters=filters)
        except ServiceException as error:
            raise AwsError(error.code, error.message) from None
        return sorted(found, key=lambda kind: str(kind["InstanceType"]))

    def offerings(self, region: str, location_type: str) -> list[dict[str, Any]]:
        """Which instance types there are in the region, its zones (by name or id), or its outposts."""
        rows: list[dict[str, Any]] = self.ec2(region).describe_instance_type_offerings(location_type, {})
        return rows

    def ec2_regions(self) -> dict[str, Any]:
        """moto's EC2 state of every region that was touched."""
        from moto.ec2.models import ec2_backends

        return dict(ec2_backends[self.account_id])

    def profile_role(self, profile: str) -> str | None:
        """The name of the role of an instance profile; None where there is none."""
        from moto.iam.models import iam_backends

        found = list(iam_backends[self.account_id]["aws"].instance_profiles.values())
        return next((item.roles[0].name for item in found if item.name == profile and item.roles), None)

    def has_access_point(self, region: str, identity: str) -> bool:
        """Whether an access point of EFS exists."""
        from moto.efs.models import efs_backends

        return identity in efs_backends[self.account_id][region].access_points

    def bucket_count(self) -> int:
        """How many buckets there are."""
        from moto.s3.models import s3_backends

        return len(s3_backends[self.account_id]["aws"].buckets)

    def take_bucket_policy(self, bucket: str) -> bytes:
        """Take a bucket's policy out of moto."""
        from moto.s3.models import s3_backends

        found = s3_backends[self.account_id]["aws"].get_bucket(bucket)
        policy: bytes = found.policy
        found.policy = None
        return policy

    def _run(self, environ: dict[str, Any]) -> Answer:
        status: list[Any] = []

        def start_response(line: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            status[:] = [int(line.split(" ", 1)[0]), headers]

        chunks: Iterable[bytes] = self._application(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()
        return Answer(status[0], status[1], body)


def _environ(request: dict[str, Any], service: str, region: str, access_key: str) -> dict[str, Any]:
    body = request["body"]
    data = urlencode(body).encode() if isinstance(body, dict) else bytes(body)
    form = "application/x-www-form-urlencoded; charset=utf-8"
    environ = {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": request["url_path"],
        "QUERY_STRING": urlencode(request["query_string"]),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": f"{service}.{region}.amazonaws.com",
        "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={access_key}/20260101/{region}/{service}/aws4_request, ",
        "CONTENT_LENGTH": str(len(data)),
        "CONTENT_TYPE": request["headers"].get("Content-Type", form),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(data),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request["headers"].items():
        if name.lower() != "content-type":
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ
