// Dropout whose mask is a function of key and element, as on the CPU.
//
//   y[i] = bits(key, i) >> 11 < below ? 0 : x[i] kept
//
// `bits` is SplitMix64's finaliser of key + i weyl (core/src/random.rs); below is the rate times
// 2^53, and kept 1 / (1 - rate). The gradient is the same function of dy. x and y are [elements]
// in T.
#include "common.cuh"

typedef unsigned long long u64;

__device__ __forceinline__ u64 bits(u64 key, u64 element) {
    u64 z = key + element * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

template <typename T>
__device__ __forceinline__ void dropout(const T *__restrict__ x, T *__restrict__ y,
                                        size_t elements, u64 key, u64 below, float kept) {
    for (size_t i = first_element(); i < elements; i += all_threads()) {
        y[i] = as<T>(bits(key, i) >> 11 < below ? 0.f : load(x[i]) * kept);
    }
}

extern "C" __global__ void dropout_f32(const float *x, float *y, size_t elements, u64 key,
                                       u64 below, float kept) {
    dropout(x, y, elements, key, below, kept);
}
extern "C" __global__ void dropout_bf16(const __nv_bfloat16 *x, __nv_bfloat16 *y, size_t elements,
                                        u64 key, u64 below, float kept) {
    dropout(x, y, elements, key, below, kept);
}
