// What the kernels share: number formats, and sums over a warp and a block.
//
// Numbers are read and written in their own format T, float or __nv_bfloat16, and computed with in
// float. The order of every sum depends on shapes only, and there are no atomics: the same input
// gives the same bits.
#pragma once

#include <cuda_bf16.h>

#define WARP 32
#define EVERY_LANE 0xffffffffu

__device__ __forceinline__ float load(float x) { return x; }
__device__ __forceinline__ float load(__nv_bfloat16 x) { return __bfloat162float(x); }

template <typename T> __device__ __forceinline__ T as(float x);
template <> __device__ __forceinline__ float as<float>(float x) { return x; }
template <> __device__ __forceinline__ __nv_bfloat16 as<__nv_bfloat16>(float x) {
    return __float2bfloat16_rn(x);
}

// The sum of all lanes' values, in every lane.
template <typename N> __device__ __forceinline__ N warp_sum(N value) {
    for (int away = WARP / 2; away > 0; away /= 2) {
        value += __shfl_xor_sync(EVERY_LANE, value, away);
    }
    return value;
}

// The largest of all lanes' values, in every lane.
__device__ __forceinline__ float warp_largest(float value) {
    for (int away = WARP / 2; away > 0; away /= 2) {
        value = fmaxf(value, __shfl_xor_sync(EVERY_LANE, value, away));
    }
    return value;
}

// The sum of all threads' values, in every thread. Blocks are whole warps, 32 at most.
template <typename N> __device__ __forceinline__ N block_sum(N value) {
    __shared__ N parts[WARP];
    value = warp_sum(value);
    __syncthreads(); // what an earlier call left in `parts` has been read
    if (threadIdx.x % WARP == 0) {
        parts[threadIdx.x / WARP] = value;
    }
    __syncthreads();
    const unsigned lane = threadIdx.x % WARP;
    return warp_sum(lane < blockDim.x / WARP ? parts[lane] : N(0));
}

// The largest of all threads' values, in every thread.
__device__ __forceinline__ float block_largest(float value) {
    __shared__ float parts[WARP];
    value = warp_largest(value);
    __syncthreads();
    if (threadIdx.x % WARP == 0) {
        parts[threadIdx.x / WARP] = value;
    }
    __syncthreads();
    const unsigned lane = threadIdx.x % WARP;
    return warp_largest(lane < blockDim.x / WARP ? parts[lane] : -INFINITY);
}

// Number of this thread in a grid that strides over elements, and the stride.
__device__ __forceinline__ size_t first_element() {
    return blockIdx.x * (size_t)blockDim.x + threadIdx.x;
}
__device__ __forceinline__ size_t all_threads() { return gridDim.x * (size_t)blockDim.x; }
