// Adds two vectors on the GPU and checks every element.
#include <cstdio>
#include <cuda_runtime.h>

__global__ void add(const float* a, const float* b, float* sum, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) sum[i] = a[i] + b[i];
}

int main() {
  const int count = 1 << 20;
  float *a, *b, *sum;
  cudaMallocManaged(&a, count * sizeof(float));
  cudaMallocManaged(&b, count * sizeof(float));
  cudaMallocManaged(&sum, count * sizeof(float));
  for (int i = 0; i < count; i++) {
    a[i] = i;
    b[i] = 2 * i;
  }
  add<<<(count + 255) / 256, 256>>>(a, b, sum, count);
  cudaError_t error = cudaDeviceSynchronize();
  if (error != cudaSuccess) {
    std::printf("cuda: %s\n", cudaGetErrorString(error));
    return 1;
  }
  for (int i = 0; i < count; i++) {
    if (sum[i] != a[i] + b[i]) {
      std::printf("cuda: element %d is %f\n", i, sum[i]);
      return 1;
    }
  }
  std::printf("cuda: %d elements added\n", count);
}
