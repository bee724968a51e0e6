// Layer norms over rows, forward and backward: root mean square (T5), and full (BERT).
//
//   n = (x - m) / s       m = 0 or mean(x),   s = sqrt(mean((x - m)^2) + epsilon)
//   y = w n + b           (b in the full form only)
//
// With g = w dy:
//
//   dx = (g - n mean(g n)) / s                root mean square
//   dx = (g - mean(g) - n mean(g n)) / s      full
//   dw = sum of dy n, db = sum of dy          over rows
//
// x, y, dy, dx are [rows, width] in T; w, b, dw, db are [width] in float.
#include "common.cuh"

struct Moments {
    float mean;
    float inverse; // 1 / s
};

template <typename T, bool FULL>
__device__ __forceinline__ Moments moments_of(const T *__restrict__ row, unsigned width,
                                              float epsilon) {
    float mean = 0.f;
    if (FULL) {
        float sum = 0.f;
        for (unsigned c = threadIdx.x; c < width; c += blockDim.x) {
            sum += load(row[c]);
        }
        mean = block_sum(sum) / width;
    }
    float square = 0.f;
    for (unsigned c = threadIdx.x; c < width; c += blockDim.x) {
        const float off = load(row[c]) - mean;
        square += off * off;
    }
    return {mean, 1.f / sqrtf(block_sum(square) / width + epsilon)};
}

// One block a row.
template <typename T, bool FULL>
__device__ __forceinline__ void forward(const T *__restrict__ x, const float *__restrict__ w,
                                        const float *__restrict__ b, T *__restrict__ y,
                                        unsigned width, float epsilon) {
    const T *row = x + (size_t)blockIdx.x * width;
    T *out = y + (size_t)blockIdx.x * width;
    const Moments at = moments_of<T, FULL>(row, width, epsilon);
    for (unsigned c = threadIdx.x; c < width; c += blockDim.x) {
        const float scaled = (load(row[c]) - at.mean) * at.inverse * w[c];
        out[c] = as<T>(FULL ? scaled + b[c] : scaled);
    }
}

// One block a row; the moments, [rows, 2], are for the parameters' gradients.
template <typename T, bool FULL>
__device__ __forceinline__ void backward(const T *__restrict__ x, const float *__restrict__ w,
                                         const T *__restrict__ dy, T *__restrict__ dx,
                                         float *__restrict__ moments, unsigned width,
                                         float epsilon) {
    const size_t start = (size_t)blockIdx.x * width;
    const Moments at = moments_of<T, FULL>(x + start, width, epsilon);
    float along = 0.f, level = 0.f;
    for (unsigned c = threadIdx.x; c < width; c += blockDim.x) {
        const float g = w[c] * load(dy[start + c]);
        along += g * (load(x[start + c]) - at.mean) * at.inverse;
        level += g;
    }
    along = block_sum(along) / width;
    level = FULL ? block_sum(level) / width : 0.f;
    for (unsigned c = threadIdx.x; c < width; c += blockDim.x) {
        const float normed = (load(x[start + c]) - at.mean) * at.inverse;
        const float g = w[c] * load(dy[start + c]);
        dx[start + c] = as<T>((g - level - normed * along) * at.inverse);
    }
    if (threadIdx.x == 0) {
        moments[2 * (size_t)blockIdx.x] = at.mean;
        moments[2 * (size_t)blockIdx.x + 1] = at.inverse;
    }
}

// Stage one of dw and db, as sum_rows in columns.cu: partials are [2, gridDim.y, width], those
// of dw first.
template <typename T>
__device__ __forceinline__ void parameters(const T *__restrict__ x, const T *__restrict__ dy,
                                           const float *__restrict__ moments,
                                           float *__restrict__ partials, unsigned rows,
                                           unsigned width, unsigned rows_each) {
    __shared__ float weights[32][WARP];
    __shared__ float biases[32][WARP];
    const unsigned column = blockIdx.x * WARP + threadIdx.x;
    const unsigned end = min(rows, (blockIdx.y + 1) * rows_each);
    float dw = 0.f, db = 0.f;
    if (column < width) {
        for (unsigned row = blockIdx.y * rows_each + threadIdx.y; row < end; row += blockDim.y) {
            const size_t at = (size_t)row * width + column;
            const float mean = moments[2 * (size_t)row];
            const float inverse = moments[2 * (size_t)row + 1];
            const float slope = load(dy[at]);
            dw += slope * (load(x[at]) - mean) * inverse;
            db += slope;
        }
    }
    weights[threadIdx.y][threadIdx.x] = dw;
    biases[threadIdx.y][threadIdx.x] = db;
    __syncthreads();
    if (threadIdx.y == 0 && column < width) {
        dw = 0.f;
        db = 0.f;
        for (unsigned y = 0; y < blockDim.y; y++) {
            dw += weights[y][threadIdx.x];
            db += biases[y][threadIdx.x];
        }
        partials[(size_t)blockIdx.y * width + column] = dw;
        partials[((size_t)gridDim.y + blockIdx.y) * width + column] = db;
    }
}

#define NORMS(T, SUFFIX)                                                                           \
    extern "C" __global__ void rms_norm_##SUFFIX(const T *x, const float *w, T *y,                 \
                                                 unsigned width, float epsilon) {                  \
        forward<T, false>(x, w, nullptr, y, width, epsilon);                                       \
    }                                                                                              \
    extern "C" __global__ void layer_norm_##SUFFIX(const T *x, const float *w, const float *b,     \
                                                   T *y, unsigned width, float epsilon) {          \
        forward<T, true>(x, w, b, y, width, epsilon);                                              \
    }                                                                                              \
    extern "C" __global__ void rms_norm_backward_##SUFFIX(const T *x, const float *w, const T *dy, \
                                                          T *dx, float *moments, unsigned width,   \
                                                          float epsilon) {                         \
        backward<T, false>(x, w, dy, dx, moments, width, epsilon);                                 \
    }                                                                                              \
    extern "C" __global__ void layer_norm_backward_##SUFFIX(                                       \
        const T *x, const float *w, const T *dy, T *dx, float *moments, unsigned width,            \
        float epsilon) {                                                                           \
        backward<T, true>(x, w, dy, dx, moments, width, epsilon);                                  \
    }                                                                                              \
    extern "C" __global__ void norm_parameters_##SUFFIX(                                           \
        const T *x, const T *dy, const float *moments, float *partials, unsigned rows,             \
        unsigned width, unsigned rows_each) {                                                      \
        parameters<T>(x, dy, moments, partials, rows, width, rows_each);                           \
    }

NORMS(float, f32)
NORMS(__nv_bfloat16, bf16)
