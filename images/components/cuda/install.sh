#!/usr/bin/env bash
# The CUDA toolkit of one release and cuDNN 9 for it, from NVIDIA's signed repository.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh
# shellcheck source=SCRIPTDIR/../../shared/nvidia.sh
. ./nvidia.sh

CUDNN=9.15.0.58-1

major=${PARAM_RELEASE%%.*}
add_cuda_repository
install_packages "cuda-toolkit-${PARAM_RELEASE/./-}" "libcudnn9-cuda-$major=$CUDNN" "libcudnn9-dev-cuda-$major=$CUDNN" \
  "libcudnn9-headers-cuda-$major=$CUDNN" g++ -- "cuda-toolkit-${PARAM_RELEASE/./-}" "libcudnn9-cuda-$major-$CUDNN" \
  "libcudnn9-devel-cuda-$major-$CUDNN" "libcudnn9-headers-cuda-$major-$CUDNN" gcc-c++
ln -sfn "/usr/local/cuda-$PARAM_RELEASE" /usr/local/cuda
cat >/etc/profile.d/dlcluster-cuda.sh <<'EOP'
export CUDA_HOME=/usr/local/cuda PATH="/usr/local/cuda/bin:$PATH"
EOP
echo /usr/local/cuda/lib64 >/etc/ld.so.conf.d/dlcluster-cuda.conf
ldconfig
