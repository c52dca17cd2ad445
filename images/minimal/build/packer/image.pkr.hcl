# minimal: The smallest recipe there is, to start from and to try a build with
variable "region" {
  type    = string
  default = "us-east-1"
}

variable "instance_type" {
  type    = string
  default = "t3.medium"
}

variable "context" {
  type        = string
  default     = "."
  description = "Folder that holds components/ and shared/"
}

source "amazon-ebs" "image" {
  ami_name        = "dlcluster-minimal-6d36b3fb054d4bba-${formatdate("YYYYMMDD-hhmmss", timestamp())}"
  ami_description = "The smallest recipe there is, to start from and to try a build with"
  region          = var.region
  instance_type   = var.instance_type
  ssh_username    = "admin"
  tags = {
    "Name"                  = "dlcluster-minimal"
    "dlcluster:recipe"      = "minimal"
    "dlcluster:recipe-hash" = "6d36b3fb054d4bba"
  }
  snapshot_tags = {
    "Name"                  = "dlcluster-minimal"
    "dlcluster:recipe"      = "minimal"
    "dlcluster:recipe-hash" = "6d36b3fb054d4bba"
  }
  source_ami_filter {
    most_recent = true
    owners      = ["136693071363"]
    filters = {
      "name"                = "debian-12-amd64-*"
      "architecture"        = "x86_64"
      "root-device-type"    = "ebs"
      "virtualization-type" = "hvm"
    }
  }
  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = 8
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }
}

build {
  sources = ["source.amazon-ebs.image"]
  provisioner "shell" {
    inline = ["cloud-init status --wait > /dev/null || true", "mkdir -p /tmp/dlcluster-image/base-tools"]
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/base-tools/install.sh", "${var.context}/components/base-tools/test.sh"]
    destination = "/tmp/dlcluster-image/base-tools/"
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["mkdir -p /opt/dlcluster/image && cp -r /tmp/dlcluster-image/. /opt/dlcluster/image/ && rm -rf /tmp/dlcluster-image"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/base-tools && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=debian-12 IMAGE_ARCHITECTURE=x86_64 PARAM_TIMEZONE=UTC bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/base-tools && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=debian-12 IMAGE_ARCHITECTURE=x86_64 PARAM_TIMEZONE=UTC bash test.sh"]
  }
}
