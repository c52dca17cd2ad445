"""Reboots, spot interruptions and elastic addresses reach the real node."""

from __future__ import annotations

import contextlib

import paramiko

LEFT = "sleep 900 > /dev/null 2>&1 & echo kept > kept; echo $!"
NOTICE = """
import os, urllib.error, urllib.request
base = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] + "/latest/"
def ask(path, method="GET", **headers):
    request = urllib.request.Request(base + path, method=method, headers=headers)
    try:
        return urllib.request.urlopen(request).read().decode()
    except urllib.error.HTTPError as error:
        return str(error.code)
token = ask("api/token", "PUT", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"})
for path in ("instance-life-cycle", "spot/instance-action", "events/recommendations/rebalance"):
    print(ask("meta-data/" + path, **{"X-aws-ec2-metadata-token": token}))
"""


def test_a_reboot_ends_the_processes_and_keeps_the_files(cloud, tools):
    node = cloud.launch()[0]
    identity, address = node["InstanceId"], node["PrivateIpAddress"]
    pid = int(cloud.run(address, LEFT))
    assert tools.alive(pid)
    cloud.client("ec2").reboot_instances(InstanceIds=[identity])
    tools.wait_until(lambda: not tools.alive(pid), "the processes end")

    def kept():
        with contextlib.suppress(OSError, paramiko.SSHException):
            return cloud.run(address, "cat kept") == "kept\n"
        return False

    tools.wait_until(kept, "the node is up again with its files")
    assert cloud.state(identity) == "running"


def test_a_node_sees_that_it_is_a_spot_instance_without_a_notice(cloud):
    node = cloud.launch(InstanceMarketOptions={"MarketType": "spot"})[0]
    told = cloud.run(node["PrivateIpAddress"], f"python3 - <<'EOF'\n{NOTICE}\nEOF")
    assert told.split() == ["spot", "404", "404"]


def test_a_node_answers_at_its_elastic_address(cloud, tools):
    node, ec2 = cloud.launch()[0], cloud.client("ec2")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(VpcId=node["VpcId"], InternetGatewayId=gateway)
    made = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=node["InstanceId"])

    def name_at(address):
        with contextlib.suppress(OSError, paramiko.SSHException):
            return cloud.run(address, "cat $NODE_ROOT/etc/hostname")
        return ""

    tools.wait_until(lambda: name_at(made["PublicIp"]), "the node answers at its elastic address")
    assert name_at(made["PublicIp"]) == name_at(node["PrivateIpAddress"]) != ""
    ec2.disassociate_address(PublicIp=made["PublicIp"])
    tools.wait_until(lambda: not name_at(made["PublicIp"]), "and no longer")
    ec2.detach_internet_gateway(VpcId=node["VpcId"], InternetGatewayId=gateway)
