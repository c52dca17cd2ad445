"""The operating systems that recipes build on: where each is found on EC2, as a container, and by debootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Architecture = Literal["x86_64", "arm64"]
PlatformName = Literal["ubuntu-22.04", "ubuntu-24.04", "debian-12", "al2023"]


@dataclass(frozen=True)
class Platform:
    """One operating system.

    ssm: its SSM public parameter. ami_owner, ami_pattern: its AMIs by owner and name. Both with {arch} for the vendor's
    word. login: the user of its AMIs. root_device: name of the root volume. base_gib: what the bare AMI takes.
    suite, mirror, security, components: for debootstrap; None where it has none.
    """

    name: PlatformName
    title: str
    ssm: str
    ami_owner: str
    ami_pattern: str
    arm: str
    intel: str
    docker: str
    login: str
    root_device: str
    base_gib: float
    suite: str | None = None
    mirror: str | None = None
    security: str | None = None
    components: str = "main"

    def ssm_parameter(self, architecture: Architecture) -> str:
        """The public parameter that holds the newest AMI of this platform."""
        return self.ssm.format(arch=self._word(architecture))

    def ami_name(self, architecture: Architecture) -> str:
        """The pattern of its AMIs' names."""
        return self.ami_pattern.format(arch=self._word(architecture))

    def _word(self, architecture: Architecture) -> str:
        return self.arm if architecture == "arm64" else self.intel


def _ubuntu(release: str, codename: str, volume: str) -> Platform:
    return Platform(
        name=f"ubuntu-{release}",  # type: ignore[arg-type]
        title=f"Ubuntu {release}",
        ssm=f"/aws/service/canonical/ubuntu/server/{release}/stable/current/{{arch}}/hvm/ebs-{volume}/ami-id",
        ami_owner="099720109477",
        ami_pattern=f"ubuntu/images/hvm-ssd*/ubuntu-{codename}-{release}-{{arch}}-server-*",
        arm="arm64",
        intel="amd64",
        docker=f"ubuntu:{release}",
        login="ubuntu",
        root_device="/dev/sda1",
        base_gib=2.5,
        suite=codename,
        mirror="http://archive.ubuntu.com/ubuntu",
        security="http://security.ubuntu.com/ubuntu",
        components="main universe",
    )


PLATFORMS: dict[str, Platform] = {
    platform.name: platform
    for platform in (
        _ubuntu("22.04", "jammy", "gp2"),
        _ubuntu("24.04", "noble", "gp3"),
        Platform(
            name="debian-12",
            title="Debian 12",
            ssm="/aws/service/debian/release/12/latest/{arch}",
            ami_owner="136693071363",
            ami_pattern="debian-12-{arch}-*",
            arm="arm64",
            intel="amd64",
            docker="debian:12",
            login="admin",
            root_device="/dev/xvda",
            base_gib=1.5,
            suite="bookworm",
            mirror="http://deb.debian.org/debian",
            security="http://deb.debian.org/debian-security",
        ),
        Platform(
            name="al2023",
            title="Amazon Linux 2023",
            ssm="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{arch}",
            ami_owner="137112412989",
            ami_pattern="al2023-ami-2023.*-{arch}",
            arm="arm64",
            intel="x86_64",
            docker="public.ecr.aws/amazonlinux/amazonlinux:2023",
            login="ec2-user",
            root_device="/dev/xvda",
            base_gib=2.0,
        ),
    )
}
"""Every platform by name."""
