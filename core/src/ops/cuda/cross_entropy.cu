// Cross-entropy of logits, one pass over them for the loss and one for its gradient.
//
//   l[r] = log sum over c of exp(z[r,c])        loss = mean over r of (l[r] - z[r, class[r]])
//   dz[r,c] = (exp(z[r,c] - l[r]) - [c = class[r]]) d / rows
//
// z and dz are [rows, classes] in T, class is [rows], l and each row's loss are [rows] in float,
// and d, the gradient of the loss, is one float in the device's memory. A class that does not
// exist makes the loss NaN.
#include "common.cuh"

// One block a row.
template <typename T>
__device__ __forceinline__ void forward(const T *__restrict__ z,
                                        const unsigned *__restrict__ chosen,
                                        float *__restrict__ normaliser, float *__restrict__ losses,
                                        unsigned classes) {
    const T *row = z + (size_t)blockIdx.x * classes;
    float top = -INFINITY;
    for (unsigned c = threadIdx.x; c < classes; c += blockDim.x) {
        top = fmaxf(top, load(row[c]));
    }
    top = block_largest(top);
    float sum = 0.f;
    for (unsigned c = threadIdx.x; c < classes; c += blockDim.x) {
        sum += expf(load(row[c]) - top);
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        const float all = top + logf(sum);
        const unsigned own = chosen[blockIdx.x];
        normaliser[blockIdx.x] = all;
        losses[blockIdx.x] = own < classes ? all - load(row[own]) : NAN;
    }
}

// One block a row.
template <typename T>
__device__ __forceinline__ void backward(const T *__restrict__ z,
                                         const unsigned *__restrict__ chosen,
                                         const float *__restrict__ normaliser,
                                         const float *__restrict__ d, T *__restrict__ dz,
                                         unsigned classes) {
    const size_t start = (size_t)blockIdx.x * classes;
    const float share = *d / gridDim.x;
    const float all = normaliser[blockIdx.x];
    const unsigned own = chosen[blockIdx.x];
    for (unsigned c = threadIdx.x; c < classes; c += blockDim.x) {
        const float probability = expf(load(z[start + c]) - all);
        dz[start + c] = as<T>(share * (probability - (c == own ? 1.f : 0.f)));
    }
}

extern "C" __global__ void cross_entropy_f32(const float *z, const unsigned *chosen,
                                             float *normaliser, float *losses, unsigned classes) {
    forward(z, chosen, normaliser, losses, classes);
}
extern "C" __global__ void cross_entropy_bf16(const __nv_bfloat16 *z, const unsigned *chosen,
                                              float *normaliser, float *losses, unsigned classes) {
    forward(z, chosen, normaliser, losses, classes);
}
extern "C" __global__ void cross_entropy_backward_f32(const float *z, const unsigned *chosen,
                                                      const float *normaliser, const float *d,
                                                      float *dz, unsigned classes) {
    backward(z, chosen, normaliser, d, dz, classes);
}
extern "C" __global__ void cross_entropy_backward_bf16(const __nv_bfloat16 *z,
                                                       const unsigned *chosen,
                                                       const float *normaliser, const float *d,
                                                       __nv_bfloat16 *dz, unsigned classes) {
    backward(z, chosen, normaliser, d, dz, classes);
}

// loss = mean of losses [rows]; one block.
extern "C" __global__ void mean_loss(const float *__restrict__ losses, float *__restrict__ loss,
                                     unsigned rows) {
    float sum = 0.f;
    for (unsigned row = threadIdx.x; row < rows; row += blockDim.x) {
        sum += losses[row];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        *loss = sum / rows;
    }
}
