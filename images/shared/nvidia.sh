# shellcheck shell=bash
# NVIDIA's package repositories. Source it after common.sh: . ./nvidia.sh

# Packages and their indexes are signed; these are the fingerprints of the keys, as NVIDIA and others publish them.
CUDA_DEB_KEY=EB693B3035CD5710E231E123A4B469963BF863CC
CUDA_RPM_KEY=610C7B14E068A878070DA4E99CD0A493D42D0685
TOOLKIT_KEY=C95B321B61E88C1809C4F759DDCAE044F796ECB0

# NVIDIA's word for the processor: x86_64 or sbsa.
nvidia_arch() {
  if [[ $IMAGE_ARCHITECTURE == arm64 ]]; then echo sbsa; else echo x86_64; fi
}

# Add the repository that has the driver, CUDA, cuDNN, NCCL and DCGM.
add_cuda_repository() {
  local distribution url
  case $IMAGE_PLATFORM in
    ubuntu-22.04) distribution=ubuntu2204 ;;
    ubuntu-24.04) distribution=ubuntu2404 ;;
    debian-12) distribution=debian12 ;;
    al2023) distribution=amzn2023 ;;
  esac
  url=https://developer.download.nvidia.com/compute/cuda/repos/$distribution/$(nvidia_arch)
  if command -v apt-get >/dev/null; then
    add_signed_repository nvidia-cuda "$url" "$url/3bf863cc.pub" "$CUDA_DEB_KEY" index
  else
    add_signed_repository nvidia-cuda "$url" "$url/D42D0685.pub" "$CUDA_RPM_KEY" packages
  fi
}

# Add the repository that has the container toolkit.
add_toolkit_repository() {
  local url=https://nvidia.github.io/libnvidia-container arch
  arch=$(if [[ $IMAGE_ARCHITECTURE == arm64 ]]; then echo arm64; else echo amd64; fi)
  if command -v apt-get >/dev/null; then
    add_signed_repository nvidia-container-toolkit "$url/stable/deb/$arch" "$url/gpgkey" "$TOOLKIT_KEY" index
  else
    add_signed_repository nvidia-container-toolkit "$url/stable/rpm/$(uname -m)" "$url/gpgkey" "$TOOLKIT_KEY" index
  fi
}

# Whether this machine has an NVIDIA GPU on its bus. Containers and build machines without one cannot load the driver.
has_gpu() {
  grep -qsi 0x10de /sys/bus/pci/devices/*/vendor
}
