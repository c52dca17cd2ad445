// Sums a vector over all GPUs of this machine with NCCL. usage: sum [version]
#include <cstdio>
#include <vector>
#include <cuda_runtime.h>
#include <nccl.h>

int main(int arguments, char**) {
  int version;
  if (ncclGetVersion(&version) != ncclSuccess) return 1;
  std::printf("nccl: version %d\n", version);
  if (arguments > 1) return 0;
  int gpus;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) return 1;
  const int count = 1 << 20;
  std::vector<ncclComm_t> communicators(gpus);
  if (ncclCommInitAll(communicators.data(), gpus, nullptr) != ncclSuccess) return 1;
  std::vector<float*> data(gpus);
  std::vector<float> ones(count, 1.0f);
  for (int gpu = 0; gpu < gpus; gpu++) {
    cudaSetDevice(gpu);
    cudaMalloc(&data[gpu], count * sizeof(float));
    cudaMemcpy(data[gpu], ones.data(), count * sizeof(float), cudaMemcpyHostToDevice);
  }
  ncclGroupStart();
  for (int gpu = 0; gpu < gpus; gpu++) {
    ncclAllReduce(data[gpu], data[gpu], count, ncclFloat, ncclSum, communicators[gpu], 0);
  }
  if (ncclGroupEnd() != ncclSuccess) return 1;
  for (int gpu = 0; gpu < gpus; gpu++) {
    cudaSetDevice(gpu);
    cudaDeviceSynchronize();
    cudaMemcpy(ones.data(), data[gpu], count * sizeof(float), cudaMemcpyDeviceToHost);
    for (float value : ones) {
      if (value != gpus) return 1;
    }
  }
  std::printf("nccl: %d elements summed over %d GPUs\n", count, gpus);
}
