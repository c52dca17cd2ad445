"""boto3 on real nodes, with the credentials of their role out of their metadata service."""

from __future__ import annotations

import json

ROLE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "ec2:CreateTags",
            "Resource": "arn:aws:ec2:*:*:instance/*",
            "Condition": {
                "StringLike": {"aws:userid": "*:${ec2:InstanceID}"},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["dlcluster:state"]},
            },
        },
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::ours/*"},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::ours/jobs/*"},
    ],
}
SCRIPT = """
import json, boto3
from botocore.exceptions import ClientError
me, other = MINE, OTHER
client = lambda name: boto3.client(name, region_name="us-east-1")
ec2, s3 = client("ec2"), client("s3")
def ask(call, **params):
    try:
        call(**params)
        return "done"
    except ClientError as error:
        return error.response["Error"]["Code"]
state = [{"Key": "dlcluster:state", "Value": "ready"}]
print(json.dumps({
    "who": client("sts").get_caller_identity()["Arn"].split("/", 1)[1],
    "own tag": ask(ec2.create_tags, Resources=[me], Tags=state),
    "tag of another": ask(ec2.create_tags, Resources=[other], Tags=state),
    "another key": ask(ec2.create_tags, Resources=[me], Tags=[{"Key": "Name", "Value": "x"}]),
    "own bucket": ask(s3.get_object, Bucket="ours", Key="bundles/x"),
    "another bucket": ask(s3.get_object, Bucket="theirs", Key="x"),
    "own job": ask(s3.put_object, Bucket="ours", Key="jobs/x", Body=b"x"),
    "outside the jobs": ask(s3.put_object, Bucket="ours", Key="bundles/x", Body=b"x"),
}))
"""


def test_a_node_may_do_with_boto3_what_its_role_allows_and_no_more(cloud):
    iam, s3 = cloud.client("iam"), cloud.client("s3")
    iam.create_role(RoleName="node", AssumeRolePolicyDocument="{}")
    iam.put_role_policy(RoleName="node", PolicyName="p", PolicyDocument=json.dumps(ROLE))
    iam.create_instance_profile(InstanceProfileName="profile")
    iam.add_role_to_instance_profile(InstanceProfileName="profile", RoleName="node")
    for bucket in ("ours", "theirs"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="ours", Key="bundles/x", Body=b"x")
    first, second = cloud.launch(2, IamInstanceProfile={"Name": "profile"})
    me, other = first["InstanceId"], second["InstanceId"]
    script = SCRIPT.replace("MINE", repr(me)).replace("OTHER", repr(other))
    told = cloud.run(first["PrivateIpAddress"], f"python3 - <<'EOF'\n{script}\nEOF")
    assert json.loads(told or "{}") == {
        "who": f"node/{me}",
        "own tag": "done",
        "tag of another": "UnauthorizedOperation",
        "another key": "UnauthorizedOperation",
        "own bucket": "done",
        "another bucket": "AccessDenied",
        "own job": "done",
        "outside the jobs": "AccessDenied",
    }
