// Attention's probabilities from raw scores: scale, relative bias, mask and softmax in one pass.
//
//   P[b,h,q,k] = softmax over k of (scale S[b,h,q,k] + bias[h,q,k] + mask[b,k])
//
// A query that may see no key at all gets zeros, and gives no gradient. With t = sum over k of
// P dP:
//
//   dS = scale P (dP - t)        dbias = sum over b of P (dP - t)
//
// S, P, dP, dS are [batch, heads, queries, keys] in T; bias is [bias_heads, queries, keys] and
// mask [batch, keys], both in T, and either may be null; bias_heads is heads, or 1 for a bias that
// all heads share. t is [batch, heads, queries] and dbias like bias, in float.
#include "common.cuh"

// The score of a key with everything added.
template <typename T> struct Added {
    const T *bias; // of this row, [keys]
    const T *mask; // of this sequence, [keys]
    float scale;

    __device__ __forceinline__ float at(const T *scores, unsigned key) const {
        float score = scale * load(scores[key]);
        if (bias) {
            score += load(bias[key]);
        }
        if (mask) {
            score += load(mask[key]);
        }
        return score;
    }
};

// One warp a row: blocks of 32 lanes by blockDim.y rows.
template <typename T>
__device__ __forceinline__ void forward(const T *__restrict__ scores, const T *__restrict__ bias,
                                        const T *__restrict__ mask, T *__restrict__ p, size_t rows,
                                        unsigned heads, unsigned bias_heads, unsigned queries,
                                        unsigned keys, float scale) {
    const size_t row = blockIdx.x * (size_t)blockDim.y + threadIdx.y;
    if (row >= rows) {
        return; // a whole warp
    }
    const unsigned query = row % queries;
    const unsigned head = row / queries % heads;
    const size_t sequence = row / queries / heads;
    const size_t bias_row = (size_t)(bias_heads == 1 ? 0 : head) * queries + query;
    const Added<T> added = {bias ? bias + bias_row * keys : nullptr,
                            mask ? mask + sequence * keys : nullptr, scale};
    const T *own = scores + row * keys;
    T *out = p + row * keys;

    float top = -INFINITY;
    for (unsigned key = threadIdx.x; key < keys; key += WARP) {
        top = fmaxf(top, added.at(own, key));
    }
    top = warp_largest(top);
    if (top == -INFINITY) {
        for (unsigned key = threadIdx.x; key < keys; key += WARP) {
            out[key] = as<T>(0.f);
        }
        return;
    }
    float sum = 0.f;
    for (unsigned key = threadIdx.x; key < keys; key += WARP) {
        sum += expf(added.at(own, key) - top);
    }
    const float share = 1.f / warp_sum(sum);
    for (unsigned key = threadIdx.x; key < keys; key += WARP) {
        out[key] = as<T>(expf(added.at(own, key) - top) * share);
    }
}

// One warp a row. `t` may be null where there is no gradient of a bias to be made.
template <typename T>
__device__ __forceinline__ void backward(const T *__restrict__ p, const T *__restrict__ dp,
                                         T *__restrict__ ds, float *__restrict__ t, size_t rows,
                                         unsigned keys, float scale) {
    const size_t row = blockIdx.x * (size_t)blockDim.y + threadIdx.y;
    if (row >= rows) {
        return;
    }
    const size_t start = row * keys;
    float sum = 0.f;
    for (unsigned key = threadIdx.x; key < keys; key += WARP) {
        sum += load(p[start + key]) * load(dp[start + key]);
    }
    sum = warp_sum(sum);
    for (unsigned key = threadIdx.x; key < keys; key += WARP) {
        ds[start + key] = as<T>(scale * load(p[start + key]) * (load(dp[start + key]) - sum));
    }
    if (t && threadIdx.x == 0) {
        t[row] = sum;
    }
}

// One thread an element of the bias, which adds up sequences (and heads that share it) in order.
template <typename T>
__device__ __forceinline__ void bias_gradient(const T *__restrict__ p, const T *__restrict__ dp,
                                              const float *__restrict__ t,
                                              float *__restrict__ dbias, unsigned batch,
                                              unsigned heads, unsigned bias_heads,
                                              unsigned queries, unsigned keys) {
    const size_t each = (size_t)queries * keys;
    const size_t element = first_element();
    if (element >= bias_heads * each) {
        return;
    }
    const unsigned own = element / each;
    const unsigned first = bias_heads == 1 ? 0 : own;
    const unsigned last = bias_heads == 1 ? heads : own + 1;
    const size_t inside = element % each;
    float sum = 0.f;
    for (unsigned sequence = 0; sequence < batch; sequence++) {
        for (unsigned head = first; head < last; head++) {
            const size_t problem = (size_t)sequence * heads + head;
            const size_t at = problem * each + inside;
            sum += load(p[at]) * (load(dp[at]) - t[problem * queries + inside / keys]);
        }
    }
    dbias[element] = sum;
}

#define SOFTMAX(T, SUFFIX)                                                                         \
    extern "C" __global__ void softmax_##SUFFIX(                                                   \
        const T *scores, const T *bias, const T *mask, T *p, size_t rows, unsigned heads,          \
        unsigned bias_heads, unsigned queries, unsigned keys, float scale) {                       \
        forward<T>(scores, bias, mask, p, rows, heads, bias_heads, queries, keys, scale);          \
    }                                                                                              \
    extern "C" __global__ void softmax_backward_##SUFFIX(const T *p, const T *dp, T *ds, float *t, \
                                                         size_t rows, unsigned keys,               \
                                                         float scale) {                            \
        backward<T>(p, dp, ds, t, rows, keys, scale);                                              \
    }                                                                                              \
    extern "C" __global__ void softmax_bias_gradient_##SUFFIX(                                     \
        const T *p, const T *dp, const float *t, float *dbias, unsigned batch, unsigned heads,     \
        unsigned bias_heads, unsigned queries, unsigned keys) {                                    \
        bias_gradient<T>(p, dp, t, dbias, batch, heads, bias_heads, queries, keys);                \
    }

SOFTMAX(float, f32)
SOFTMAX(__nv_bfloat16, bf16)
