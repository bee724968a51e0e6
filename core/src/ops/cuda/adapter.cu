// What a bottleneck adapter does between and after its products.
//
//   y = f(x + b)            dx = f'(x + b) dy      the middle
//   y = r + x + b           dx = dr = dy           the end
//   db = sum of dx          over rows              (columns.cu)
//
// x, r, y, dy, dx are [rows, width] in T, b is [width] in float.
//
//   relu       max(x, 0), with derivative 0 at 0; NaN stays NaN
//   swish      x sigmoid(x)
//   gelu       x Phi(x)
//   gelu_new   x sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3)
#include "common.cuh"

struct Slope {
    float value;
    float derivative;
};

struct Relu {
    static __device__ __forceinline__ Slope at(float x) {
        const bool off = x <= 0.f;
        return {off ? 0.f : x, off ? 0.f : 1.f};
    }
};

__device__ __forceinline__ float sigmoid(float x) { return 1.f / (1.f + expf(-x)); }

struct Swish {
    static __device__ __forceinline__ Slope at(float x) {
        const float share = sigmoid(x);
        return {x * share, share + x * share * (1.f - share)};
    }
};

struct Gelu {
    static __device__ __forceinline__ Slope at(float x) {
        const float distribution = 0.5f * (1.f + erff(x * 0.7071067811865476f));
        const float density = 0.3989422804014327f * expf(-0.5f * x * x);
        return {x * distribution, distribution + x * density};
    }
};

struct GeluNew {
    static __device__ __forceinline__ Slope at(float x) {
        const float scale = 1.5957691216057308f; // 2 sqrt(2/pi)
        const float square = x * x;
        const float share = sigmoid(scale * x * (1.f + 0.044715f * square));
        const float slope = scale * (1.f + 3.f * 0.044715f * square);
        return {x * share, share + x * share * (1.f - share) * slope};
    }
};

template <typename T, typename F>
__device__ __forceinline__ void middle(const T *__restrict__ x, const float *__restrict__ b,
                                       T *__restrict__ y, size_t elements, unsigned width) {
    for (size_t i = first_element(); i < elements; i += all_threads()) {
        y[i] = as<T>(F::at(load(x[i]) + b[i % width]).value);
    }
}

template <typename T, typename F>
__device__ __forceinline__ void middle_backward(const T *__restrict__ x,
                                                const float *__restrict__ b,
                                                const T *__restrict__ dy, T *__restrict__ dx,
                                                size_t elements, unsigned width) {
    for (size_t i = first_element(); i < elements; i += all_threads()) {
        dx[i] = as<T>(F::at(load(x[i]) + b[i % width]).derivative * load(dy[i]));
    }
}

template <typename T>
__device__ __forceinline__ void end(const T *__restrict__ x, const float *__restrict__ b,
                                    const T *__restrict__ r, T *__restrict__ y, size_t elements,
                                    unsigned width) {
    for (size_t i = first_element(); i < elements; i += all_threads()) {
        y[i] = as<T>(load(r[i]) + load(x[i]) + b[i % width]);
    }
}

#define MIDDLE(T, SUFFIX, F, NAME)                                                                 \
    extern "C" __global__ void adapter_##NAME##_##SUFFIX(const T *x, const float *b, T *y,         \
                                                         size_t elements, unsigned width) {        \
        middle<T, F>(x, b, y, elements, width);                                                    \
    }                                                                                              \
    extern "C" __global__ void adapter_##NAME##_backward_##SUFFIX(                                 \
        const T *x, const float *b, const T *dy, T *dx, size_t elements, unsigned width) {         \
        middle_backward<T, F>(x, b, dy, dx, elements, width);                                      \
    }

#define ADAPTER(T, SUFFIX)                                                                         \
    MIDDLE(T, SUFFIX, Relu, relu)                                                                  \
    MIDDLE(T, SUFFIX, Swish, swish)                                                                \
    MIDDLE(T, SUFFIX, Gelu, gelu)                                                                  \
    MIDDLE(T, SUFFIX, GeluNew, gelu_new)                                                           \
    extern "C" __global__ void adapter_end_##SUFFIX(const T *x, const float *b, const T *r, T *y,  \
                                                    size_t elements, unsigned width) {             \
        end<T>(x, b, r, y, elements, width);                                                       \
    }

ADAPTER(float, f32)
ADAPTER(__nv_bfloat16, bf16)
