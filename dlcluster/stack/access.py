"""Who may talk to whom, and what a node may do: security groups, the instance role."""

from __future__ import annotations

from troposphere import GetAtt, Ref, Sub, Tags, Template, ec2, iam

from dlcluster.stack.names import CLUSTER_TAG, HOST_KEY_TAG, STATE_TAG, named

_ANYWHERE = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0", "Description": "Packages, AWS APIs"}


def add_security_groups(template: Template, ssh_parameters: list[str]) -> None:
    """The head admits SSH from the given ranges; workers admit only the head and each other.

    Everything may go out: packages, AWS APIs. EFA in addition needs the group itself as a destination.
    """
    template.add_resource(
        ec2.SecurityGroup(
            "HeadSecurityGroup",
            GroupDescription="dlcluster head: SSH from the given ranges",
            VpcId=Ref("Vpc"),
            SecurityGroupIngress=[
                ec2.SecurityGroupRule(IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp=Ref(name), Description="SSH")
                for name in ssh_parameters
            ],
            SecurityGroupEgress=[_ANYWHERE],
            Tags=Tags(named("head")),
        )
    )
    template.add_resource(
        ec2.SecurityGroup(
            "WorkerSecurityGroup",
            GroupDescription="dlcluster workers: each other and the head",
            VpcId=Ref("Vpc"),
            SecurityGroupEgress=[_ANYWHERE],
            Tags=Tags(named("worker")),
        )
    )
    _admit(template, "Worker", "Head")
    _admit(template, "Head", "Worker")
    _admit(template, "Worker", "Worker")
    template.add_resource(
        ec2.SecurityGroupEgress(
            "WorkerToWorker",
            GroupId=GetAtt("WorkerSecurityGroup", "GroupId"),
            IpProtocol="-1",
            DestinationSecurityGroupId=GetAtt("WorkerSecurityGroup", "GroupId"),
            Description="EFA: all traffic to the group itself",
        )
    )


def _admit(template: Template, at: str, source: str) -> None:
    template.add_resource(
        ec2.SecurityGroupIngress(
            f"{at}From{source}",
            GroupId=GetAtt(f"{at}SecurityGroup", "GroupId"),
            IpProtocol="-1",
            SourceSecurityGroupId=GetAtt(f"{source}SecurityGroup", "GroupId"),
            Description=f"All traffic from the {source.lower()} group",
        )
    )


def add_role(template: Template) -> None:
    """The nodes' role: tag itself with two keys, read the bucket, write its jobs. Nothing else."""
    template.add_resource(
        iam.Role(
            "NodeRole",
            Description=Sub("Nodes of the dlcluster cluster ${ClusterName}"),
            AssumeRolePolicyDocument=_policy(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "ec2.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ),
            Policies=[
                iam.Policy(PolicyName="own-tags", PolicyDocument=_policy(_OWN_TAGS)),
                iam.Policy(PolicyName="bucket", PolicyDocument=_policy(*_BUCKET)),
            ],
        )
    )
    template.add_resource(iam.InstanceProfile("NodeProfile", Roles=[Ref("NodeRole")]))


def _policy(*statements: dict[str, object]) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


# aws:userid of a node's session is <role id>:<instance id>, so the pattern holds for the node itself only.
_OWN_TAGS = {
    "Effect": "Allow",
    "Action": "ec2:CreateTags",
    "Resource": Sub("arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:instance/*"),
    "Condition": {
        "StringLike": {"aws:userid": "*:${ec2:InstanceID}"},
        "StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": Ref("ClusterName")},
        "ForAllValues:StringEquals": {"aws:TagKeys": [HOST_KEY_TAG, STATE_TAG]},
    },
}

_BUCKET: list[dict[str, object]] = [
    {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": GetAtt("Bucket", "Arn")},
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": Sub("${Bucket.Arn}/*")},
    {
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        "Resource": Sub("${Bucket.Arn}/jobs/*"),
    },
]
