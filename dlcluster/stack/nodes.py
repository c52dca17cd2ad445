"""The nodes: launch templates, the head, the workers' Auto Scaling group."""

from __future__ import annotations

from troposphere import Base64, FindInMap, GetAtt, Join, Ref, Sub, Tags, Template, autoscaling, ec2

from dlcluster import catalog
from dlcluster.config import ClusterConfig
from dlcluster.stack.interfaces import efa_interfaces
from dlcluster.stack.names import node_tags
from dlcluster.stack.userdata import boot_header, boot_script

_ROOT_DEVICE = "/dev/sda1"  # of Ubuntu images


def add_nodes(template: Template, config: ClusterConfig) -> None:
    """Key pair, launch templates, head instance, worker group and, where wanted, its placement group."""
    template.add_mapping("Boot", {"Script": {"Lines": boot_script(config).splitlines()}})
    template.add_resource(ec2.KeyPair("KeyPair", KeyName=Sub("${AWS::StackName}"), PublicKeyMaterial=Ref("PublicKey")))
    _add_head(template, config)
    if config.use_placement_group:
        template.add_resource(ec2.PlacementGroup("PlacementGroup", Strategy="cluster"))
    _add_workers(template, config)


def _add_head(template: Template, config: ClusterConfig) -> None:
    _add_launch_template(
        template,
        config,
        "head",
        InstanceType=Ref("HeadType"),
        SecurityGroupIds=[Ref("HeadSecurityGroup")],
    )
    template.add_resource(
        ec2.Instance(
            "Head",
            LaunchTemplate=ec2.LaunchTemplateSpecification(**_latest("HeadLaunchTemplate")),
            SubnetId=Ref("PublicSubnet"),
            DependsOn=["PublicRoute", "PublicSubnetRoutes"],
            Tags=Tags(node_tags(config, "head")),
        )
    )


def _add_workers(template: Template, config: ClusterConfig) -> None:
    market = {}
    if config.workers.spot:
        market["InstanceMarketOptions"] = ec2.InstanceMarketOptions(
            MarketType="spot", SpotOptions=ec2.SpotOptions(SpotInstanceType="one-time")
        )
    _add_launch_template(
        template,
        config,
        "worker",
        InstanceType=Ref("WorkerType"),
        **_worker_network(config),
        **market,
    )
    placement = {"PlacementGroup": Ref("PlacementGroup")} if config.use_placement_group else {}
    template.add_resource(
        autoscaling.AutoScalingGroup(
            "Workers",
            MinSize=Ref("WorkerCount"),
            MaxSize=Ref("WorkerCount"),
            DesiredCapacity=Ref("WorkerCount"),
            VPCZoneIdentifier=[Ref("PrivateSubnet")],
            LaunchTemplate=autoscaling.LaunchTemplateSpecification(**_latest("WorkerLaunchTemplate")),
            **placement,
            Tags=autoscaling.Tags(**{key: (value, True) for key, value in node_tags(config, "worker").items()}),
            DependsOn=["PrivateRoute", "PrivateSubnetRoutes", "S3Endpoint", "WorkerFromHead", "WorkerFromWorker"],
        )
    )


def _worker_network(config: ClusterConfig) -> dict[str, object]:
    kind = catalog.instance_type(config.workers.type)
    if not config.use_efa or kind is None:
        return {"SecurityGroupIds": [Ref("WorkerSecurityGroup")]}
    return {
        "NetworkInterfaces": [
            ec2.NetworkInterfaces(
                NetworkCardIndex=interface.card,
                DeviceIndex=interface.device,
                InterfaceType=interface.kind,
                Groups=[Ref("WorkerSecurityGroup")],
                DeleteOnTermination=True,
            )
            for interface in efa_interfaces(kind)
        ]
    }


def _add_launch_template(template: Template, config: ClusterConfig, role: str, **data: object) -> None:
    disk_gib = config.head.disk_gib if role == "head" else config.workers.disk_gib
    template.add_resource(
        ec2.LaunchTemplate(
            f"{role.capitalize()}LaunchTemplate",
            LaunchTemplateData=ec2.LaunchTemplateData(
                ImageId=Ref("ImageId"),
                **data,
                KeyName=Ref("KeyPair"),
                IamInstanceProfile=ec2.IamInstanceProfile(Arn=GetAtt("NodeProfile", "Arn")),
                MetadataOptions=ec2.MetadataOptions(
                    HttpEndpoint="enabled", HttpTokens="required", HttpPutResponseHopLimit=1
                ),
                BlockDeviceMappings=[
                    ec2.LaunchTemplateBlockDeviceMapping(
                        DeviceName=_ROOT_DEVICE,
                        Ebs=ec2.EBSBlockDevice(
                            VolumeSize=disk_gib, VolumeType="gp3", Encrypted=True, DeleteOnTermination=True
                        ),
                    )
                ],
                TagSpecifications=[
                    ec2.TagSpecifications(ResourceType=kind, Tags=Tags(node_tags(config, role)))
                    for kind in ("instance", "volume", "network-interface")
                ],
                UserData=Base64(Join("\n", [*boot_header(role), _BOOT_SCRIPT, ""])),
            ),
        )
    )


_BOOT_SCRIPT = Join("\n", FindInMap("Boot", "Script", "Lines"))


def _latest(launch_template: str) -> dict[str, object]:
    return {
        "LaunchTemplateId": Ref(launch_template),
        "Version": GetAtt(launch_template, "LatestVersionNumber"),
    }
