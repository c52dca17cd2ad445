# cpu: PyTorch for the CPU, and JupyterLab; small, for heads, tests and machines without GPUs
variable "region" {
  type    = string
  default = "us-east-1"
}

variable "instance_type" {
  type    = string
  default = "c7i.xlarge"
}

variable "context" {
  type        = string
  default     = "."
  description = "Folder that holds components/ and shared/"
}

source "amazon-ebs" "image" {
  ami_name        = "dlcluster-cpu-e1124f82d1a5ed8e-${formatdate("YYYYMMDD-hhmmss", timestamp())}"
  ami_description = "PyTorch for the CPU, and JupyterLab; small, for heads, tests and machines without GPUs"
  region          = var.region
  instance_type   = var.instance_type
  ssh_username    = "ubuntu"
  tags = {
    "Name"                  = "dlcluster-cpu"
    "dlcluster:recipe"      = "cpu"
    "dlcluster:recipe-hash" = "e1124f82d1a5ed8e"
  }
  snapshot_tags = {
    "Name"                  = "dlcluster-cpu"
    "dlcluster:recipe"      = "cpu"
    "dlcluster:recipe-hash" = "e1124f82d1a5ed8e"
  }
  source_ami_filter {
    most_recent = true
    owners      = ["099720109477"]
    filters = {
      "name"                = "ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-amd64-server-*"
      "architecture"        = "x86_64"
      "root-device-type"    = "ebs"
      "virtualization-type" = "hvm"
    }
  }
  launch_block_device_mappings {
    device_name           = "/dev/sda1"
    volume_size           = 16
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }
}

build {
  sources = ["source.amazon-ebs.image"]
  provisioner "shell" {
    inline = ["cloud-init status --wait > /dev/null || true", "mkdir -p /tmp/dlcluster-image/node /tmp/dlcluster-image/cloudwatch-agent /tmp/dlcluster-image/micromamba /tmp/dlcluster-image/python /tmp/dlcluster-image/torch /tmp/dlcluster-image/jupyter"]
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/node/install.sh", "${var.context}/components/node/test.sh"]
    destination = "/tmp/dlcluster-image/node/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/cloudwatch-agent/install.sh", "${var.context}/components/cloudwatch-agent/test.sh"]
    destination = "/tmp/dlcluster-image/cloudwatch-agent/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/micromamba/install.sh", "${var.context}/components/micromamba/test.sh"]
    destination = "/tmp/dlcluster-image/micromamba/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/python/digits.py", "${var.context}/components/python/digits.txt", "${var.context}/components/python/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/python/test.sh", "${var.context}/shared/virtualenv.lock"]
    destination = "/tmp/dlcluster-image/python/"
  }
  provisioner "file" {
    sources     = ["${var.context}/components/torch/cpu.in", "${var.context}/components/torch/cpu.lock", "${var.context}/components/torch/cuda.in", "${var.context}/components/torch/cuda.lock", "${var.context}/components/torch/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/torch/test.sh", "${var.context}/components/torch/train.py"]
    destination = "/tmp/dlcluster-image/torch/"
  }
  provisioner "file" {
    sources     = ["${var.context}/components/jupyter/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/jupyter/requirements.in", "${var.context}/components/jupyter/requirements.lock", "${var.context}/components/jupyter/test.sh", "${var.context}/components/jupyter/try_kernels.py"]
    destination = "/tmp/dlcluster-image/jupyter/"
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["mkdir -p /opt/dlcluster/image && cp -r /tmp/dlcluster-image/. /opt/dlcluster/image/ && rm -rf /tmp/dlcluster-image"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/node && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/cloudwatch-agent && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/micromamba && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/python && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl PARAM_VERSIONS=3.11 bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/torch && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cpu PARAM_PREFIX=/opt/dl PARAM_WHEELS=https://download.pytorch.org/whl/cpu/torch/ bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/jupyter && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/node && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/cloudwatch-agent && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/micromamba && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/python && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl PARAM_VERSIONS=3.11 bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/torch && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cpu PARAM_PREFIX=/opt/dl PARAM_WHEELS=https://download.pytorch.org/whl/cpu/torch/ bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/jupyter && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
}
