"""How each service words what goes wrong.

Sources: the services' lists of common errors and botocore's retry rules, which name the codes that clients repeat:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from dataclasses import dataclass

ANY = "*"
Words = tuple[str, str, int]  # code, message, HTTP status

_TOKEN = "The security token included in the request is expired"
# By kind: what one service says, and under ANY what the services of the query protocol say.
_COMMON: dict[str, dict[str, Words]] = {
    "throttle": {
        "ec2": ("RequestLimitExceeded", "Request limit exceeded.", 503),
        "s3": ("SlowDown", "Please reduce your request rate.", 503),
        "sns": ("Throttled", "Rate exceeded", 429),
        ANY: ("Throttling", "Rate exceeded", 400),
    },
    "internal": {
        "ec2": ("InternalError", "An internal error has occurred", 500),
        "s3": ("InternalError", "We encountered an internal error. Please try again.", 500),
        "ssm": ("InternalServerError", "An error occurred on the server side.", 500),
        "efs": ("InternalServerError", "An internal error occurred.", 500),
        ANY: ("InternalFailure", "The request processing has failed because of an unknown error.", 500),
    },
    "unavailable": {
        "ec2": ("Unavailable", "The server is overloaded and can't handle the request.", 503),
        "s3": ("ServiceUnavailable", "Service is unable to handle request.", 503),
        "logs": ("ServiceUnavailableException", "The service cannot complete the request.", 503),
        ANY: ("ServiceUnavailable", "The request has failed due to a temporary failure of the server.", 503),
    },
    "expired": {
        "ec2": ("RequestExpired", "Request has expired.", 400),
        "s3": ("ExpiredToken", "The provided token has expired.", 400),
        ANY: ("ExpiredToken", _TOKEN, 403),
    },
}
# Services whose protocol ends the names of its errors with Exception.
_JSON = {"ssm", "logs", "efs", "fsx", "sqs", "budgets", "pricing", "service-quotas", "resourcegroupstaggingapi"}
_EXCEPTIONS: dict[str, Words] = {
    "throttle": ("ThrottlingException", "Rate exceeded", 400),
    "expired": ("ExpiredTokenException", _TOKEN, 400),
}
_VCPUS = (
    "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the instance bucket that the "
    "specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an "
    "adjustment to this limit."
)
_QUOTAS: dict[str, Words] = {
    "RunInstances": ("VcpuLimitExceeded", _VCPUS, 400),
    "CreateVpc": ("VpcLimitExceeded", "The maximum number of VPCs has been reached.", 400),
    "CreateSubnet": ("SubnetLimitExceeded", "The maximum number of subnets has been reached.", 400),
    "CreateSecurityGroup": (
        "SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.", 400
    ),
    "AuthorizeSecurityGroupIngress": (
        "RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.", 400
    ),
    "CreateInternetGateway": (
        "InternetGatewayLimitExceeded", "The maximum number of internet gateways has been reached.", 400
    ),
    "CreateNatGateway": (
        "NatGatewayLimitExceeded", "Performing this operation would exceed the limit of 5 NAT gateways", 400
    ),
    "CreateRouteTable": ("RouteTableLimitExceeded", "The maximum number of route tables has been reached.", 400),
    "CreateVpcEndpoint": ("VpcEndpointLimitExceeded", "The maximum number of VPC endpoints has been reached.", 400),
    "CreateVolume": ("VolumeLimitExceeded", "The maximum number of volumes has been reached.", 400),
    "AllocateAddress": ("AddressLimitExceeded", "The maximum number of addresses has been reached.", 400),
    "CreateAutoScalingGroup": ("LimitExceeded", "AutoScalingGroup limit exceeded", 400),
    "CreateStack": ("LimitExceededException", "Limit for stack has been exceeded", 400),
    "CreateChangeSet": ("LimitExceededException", "ChangeSet limit exceeded", 400),
    "CreateRole": ("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", 409),
    "CreateInstanceProfile": ("LimitExceeded", "Cannot exceed quota for InstanceProfilesPerAccount: 1000", 409),
    "CreateBucket": ("TooManyBuckets", "You have attempted to create more buckets than allowed", 400),
    "PutParameter": ("ParameterLimitExceeded", "You have exceeded the number of parameters for this account.", 400),
    "CreateLogGroup": ("LimitExceededException", "Resource limit exceeded.", 400),
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where RunInstances would launch what. others: the zones of the region beside this one."""

    instance_type: str
    zone: str
    others: tuple[str, ...] = ()
    spot: bool = False


def error_of(kind: str, service: str, action: str, launch: Place | None = None) -> Words | None:
    """What a service answers to a call in trouble of a kind; None where there is no usual answer."""
    if kind == "capacity":
        return _no_capacity(launch)
    if kind == "quota":
        return _QUOTAS.get(action, ("LimitExceeded", "The maximum number of resources has been reached.", 400))
    if kind in _EXCEPTIONS and service in _JSON:
        return _EXCEPTIONS[kind]
    words = _COMMON.get(kind, {})
    return words.get(service) or words.get(ANY)


def _no_capacity(launch: Place | None) -> Words:
    code = "InsufficientInstanceCapacity"
    if launch is None:
        return code, "There is not enough capacity to fulfill your request.", 500
    if launch.spot:
        return code, "There is no Spot capacity available that matches your request.", 500
    message = (
        f"We currently do not have sufficient {launch.instance_type} capacity in the Availability Zone you requested "
        f"({launch.zone}). Our system will be working on provisioning additional capacity."
    )
    if launch.others:
        message += (
            f" You can currently get {launch.instance_type} capacity by not specifying an Availability Zone in your "
            f"request or choosing {', '.join(launch.others)}."
        )
    return code, message, 500
