# slurm: Head or worker of a Slurm cluster, with PyTorch on GPUs and NCCL over EFA
variable "region" {
  type    = string
  default = "us-east-1"
}

variable "instance_type" {
  type    = string
  default = "g5.8xlarge"
}

variable "context" {
  type        = string
  default     = "."
  description = "Folder that holds components/ and shared/"
}

source "amazon-ebs" "image" {
  ami_name        = "dlcluster-slurm-e403cc1db7876fef-${formatdate("YYYYMMDD-hhmmss", timestamp())}"
  ami_description = "Head or worker of a Slurm cluster, with PyTorch on GPUs and NCCL over EFA"
  region          = var.region
  instance_type   = var.instance_type
  ssh_username    = "ubuntu"
  tags = {
    "Name"                  = "dlcluster-slurm"
    "dlcluster:recipe"      = "slurm"
    "dlcluster:recipe-hash" = "e403cc1db7876fef"
  }
  snapshot_tags = {
    "Name"                  = "dlcluster-slurm"
    "dlcluster:recipe"      = "slurm"
    "dlcluster:recipe-hash" = "e403cc1db7876fef"
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
    volume_size           = 50
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }
}

build {
  sources = ["source.amazon-ebs.image"]
  provisioner "shell" {
    inline = ["cloud-init status --wait > /dev/null || true", "mkdir -p /tmp/dlcluster-image/node /tmp/dlcluster-image/nvidia-driver /tmp/dlcluster-image/cuda /tmp/dlcluster-image/efa /tmp/dlcluster-image/nccl /tmp/dlcluster-image/dcgm /tmp/dlcluster-image/cloudwatch-agent /tmp/dlcluster-image/slurm /tmp/dlcluster-image/micromamba /tmp/dlcluster-image/python /tmp/dlcluster-image/torch"]
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/node/install.sh", "${var.context}/components/node/test.sh"]
    destination = "/tmp/dlcluster-image/node/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/nvidia-driver/install.sh", "${var.context}/shared/nvidia.sh", "${var.context}/components/nvidia-driver/test.sh"]
    destination = "/tmp/dlcluster-image/nvidia-driver/"
  }
  provisioner "file" {
    sources     = ["${var.context}/components/cuda/add.cu", "${var.context}/shared/common.sh", "${var.context}/components/cuda/install.sh", "${var.context}/shared/nvidia.sh", "${var.context}/components/cuda/test.sh"]
    destination = "/tmp/dlcluster-image/cuda/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/efa/install.sh", "${var.context}/components/efa/test.sh"]
    destination = "/tmp/dlcluster-image/efa/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/nccl/install.sh", "${var.context}/shared/nvidia.sh", "${var.context}/components/nccl/sum.cu", "${var.context}/components/nccl/test.sh"]
    destination = "/tmp/dlcluster-image/nccl/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/dcgm/install.sh", "${var.context}/shared/nvidia.sh", "${var.context}/components/dcgm/test.sh"]
    destination = "/tmp/dlcluster-image/dcgm/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/cloudwatch-agent/install.sh", "${var.context}/components/cloudwatch-agent/test.sh"]
    destination = "/tmp/dlcluster-image/cloudwatch-agent/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/slurm/dlcluster-slurm.sh", "${var.context}/components/slurm/install.sh", "${var.context}/components/slurm/job.sh", "${var.context}/components/slurm/test.sh"]
    destination = "/tmp/dlcluster-image/slurm/"
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
    inline          = ["cd /opt/dlcluster/image/nvidia-driver && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_BRANCH=580 bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/cuda && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_RELEASE=13.0 bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/efa && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/nccl && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/dcgm && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/cloudwatch-agent && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/slurm && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash install.sh"]
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
    inline          = ["cd /opt/dlcluster/image/torch && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cuda PARAM_PREFIX=/opt/dl PARAM_WHEELS=https://download.pytorch.org/whl/cpu/torch/ bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/node && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/nvidia-driver && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_BRANCH=580 bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/cuda && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_RELEASE=13.0 bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/efa && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/nccl && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/dcgm && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/cloudwatch-agent && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/slurm && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 bash test.sh"]
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
    inline          = ["cd /opt/dlcluster/image/torch && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cuda PARAM_PREFIX=/opt/dl PARAM_WHEELS=https://download.pytorch.org/whl/cpu/torch/ bash test.sh"]
  }
}
