# frameworks: Every framework, old ones too, each in an environment of its own with a kernel in JupyterLab
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
  ami_name        = "dlcluster-frameworks-b1db478bb470b9d6-${formatdate("YYYYMMDD-hhmmss", timestamp())}"
  ami_description = "Every framework, old ones too, each in an environment of its own with a kernel in JupyterLab"
  region          = var.region
  instance_type   = var.instance_type
  ssh_username    = "ubuntu"
  tags = {
    "Name"                  = "dlcluster-frameworks"
    "dlcluster:recipe"      = "frameworks"
    "dlcluster:recipe-hash" = "b1db478bb470b9d6"
  }
  snapshot_tags = {
    "Name"                  = "dlcluster-frameworks"
    "dlcluster:recipe"      = "frameworks"
    "dlcluster:recipe-hash" = "b1db478bb470b9d6"
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
    volume_size           = 100
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }
}

build {
  sources = ["source.amazon-ebs.image"]
  provisioner "shell" {
    inline = ["cloud-init status --wait > /dev/null || true", "mkdir -p /tmp/dlcluster-image/node /tmp/dlcluster-image/nvidia-driver /tmp/dlcluster-image/cuda /tmp/dlcluster-image/efa /tmp/dlcluster-image/micromamba /tmp/dlcluster-image/python /tmp/dlcluster-image/torch /tmp/dlcluster-image/tensorflow /tmp/dlcluster-image/keras /tmp/dlcluster-image/jax /tmp/dlcluster-image/paddlepaddle /tmp/dlcluster-image/mxnet /tmp/dlcluster-image/mxnet-python2 /tmp/dlcluster-image/minpy /tmp/dlcluster-image/theano /tmp/dlcluster-image/pytensor /tmp/dlcluster-image/caffe /tmp/dlcluster-image/cntk /tmp/dlcluster-image/horovod /tmp/dlcluster-image/jupyter"]
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
    sources     = ["${var.context}/components/tensorflow/cpu.in", "${var.context}/components/tensorflow/cpu.lock", "${var.context}/components/tensorflow/cuda.in", "${var.context}/components/tensorflow/cuda.lock", "${var.context}/components/tensorflow/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/tensorflow/test.sh", "${var.context}/components/tensorflow/train.py"]
    destination = "/tmp/dlcluster-image/tensorflow/"
  }
  provisioner "file" {
    sources     = ["${var.context}/components/keras/cpu.in", "${var.context}/components/keras/cpu.lock", "${var.context}/components/keras/cuda.in", "${var.context}/components/keras/cuda.lock", "${var.context}/components/keras/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/keras/test.sh", "${var.context}/components/keras/train.py"]
    destination = "/tmp/dlcluster-image/keras/"
  }
  provisioner "file" {
    sources     = ["${var.context}/components/jax/cpu.in", "${var.context}/components/jax/cpu.lock", "${var.context}/components/jax/cuda.in", "${var.context}/components/jax/cuda.lock", "${var.context}/components/jax/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/jax/test.sh", "${var.context}/components/jax/train.py"]
    destination = "/tmp/dlcluster-image/jax/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/paddlepaddle/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/paddlepaddle/requirements.in", "${var.context}/components/paddlepaddle/requirements.lock", "${var.context}/components/paddlepaddle/test.sh", "${var.context}/components/paddlepaddle/train.py"]
    destination = "/tmp/dlcluster-image/paddlepaddle/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/mxnet/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/mxnet/requirements.in", "${var.context}/components/mxnet/requirements.lock", "${var.context}/components/mxnet/test.sh", "${var.context}/components/mxnet/train.py"]
    destination = "/tmp/dlcluster-image/mxnet/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/mxnet-python2/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/mxnet-python2/requirements.in", "${var.context}/components/mxnet-python2/requirements.lock", "${var.context}/components/mxnet-python2/test.sh", "${var.context}/components/mxnet-python2/train.py", "${var.context}/shared/virtualenv.lock"]
    destination = "/tmp/dlcluster-image/mxnet-python2/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/minpy/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/minpy/requirements.in", "${var.context}/components/minpy/requirements.lock", "${var.context}/components/minpy/test.sh", "${var.context}/components/minpy/train.py"]
    destination = "/tmp/dlcluster-image/minpy/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/theano/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/theano/requirements.in", "${var.context}/components/theano/requirements.lock", "${var.context}/components/theano/test.sh", "${var.context}/components/theano/train.py"]
    destination = "/tmp/dlcluster-image/theano/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/pytensor/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/pytensor/requirements.in", "${var.context}/components/pytensor/requirements.lock", "${var.context}/components/pytensor/test.sh", "${var.context}/components/pytensor/train.py"]
    destination = "/tmp/dlcluster-image/pytensor/"
  }
  provisioner "file" {
    sources     = ["${var.context}/components/caffe/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/caffe/requirements.in", "${var.context}/components/caffe/requirements.lock", "${var.context}/components/caffe/test.sh", "${var.context}/components/caffe/train.py"]
    destination = "/tmp/dlcluster-image/caffe/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/cntk/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/cntk/requirements.in", "${var.context}/components/cntk/requirements.lock", "${var.context}/components/cntk/test.sh", "${var.context}/components/cntk/train.py"]
    destination = "/tmp/dlcluster-image/cntk/"
  }
  provisioner "file" {
    sources     = ["${var.context}/shared/common.sh", "${var.context}/components/horovod/install.sh", "${var.context}/shared/python.sh", "${var.context}/components/horovod/requirements.in", "${var.context}/components/horovod/requirements.lock", "${var.context}/components/horovod/test.sh", "${var.context}/components/horovod/train.py"]
    destination = "/tmp/dlcluster-image/horovod/"
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
    inline          = ["cd /opt/dlcluster/image/micromamba && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/python && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl PARAM_VERSIONS='3.11 2.7' bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/torch && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cuda PARAM_PREFIX=/opt/dl PARAM_WHEELS=https://download.pytorch.org/whl/cpu/torch/ bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/tensorflow && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cuda PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/keras && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cuda PARAM_PREFIX=/opt/dl PARAM_WHEELS=https://download.pytorch.org/whl/cpu/torch/ bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/jax && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cuda PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/paddlepaddle && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/mxnet && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/mxnet-python2 && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/minpy && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/theano && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/pytensor && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/caffe && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/cntk && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/horovod && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash install.sh"]
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
    inline          = ["cd /opt/dlcluster/image/micromamba && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/python && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl PARAM_VERSIONS='3.11 2.7' bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/torch && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cuda PARAM_PREFIX=/opt/dl PARAM_WHEELS=https://download.pytorch.org/whl/cpu/torch/ bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/tensorflow && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cuda PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/keras && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cuda PARAM_PREFIX=/opt/dl PARAM_WHEELS=https://download.pytorch.org/whl/cpu/torch/ bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/jax && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_ACCELERATOR=cuda PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/paddlepaddle && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/mxnet && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/mxnet-python2 && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/minpy && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/theano && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/pytensor && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/caffe && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/cntk && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/horovod && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
  provisioner "shell" {
    execute_command = "sudo bash -eu '{{ .Path }}'"
    inline          = ["cd /opt/dlcluster/image/jupyter && env HOME=/root IMAGE_TARGET=packer IMAGE_PLATFORM=ubuntu-24.04 IMAGE_ARCHITECTURE=x86_64 PARAM_PREFIX=/opt/dl bash test.sh"]
  }
}
