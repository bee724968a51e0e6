// AdamW over flat buffers, with clipping, and the gradient's norm.
//
//   g <- factor g
//   m <- b1 m + (1 - b1) g        v <- b2 v + (1 - b2) g^2
//   x <- keep x - size m / (root sqrt(v) + epsilon)
//
// x, g, m, v are [elements] in float. factor clips; keep, size and root hold learning rate, weight
// decay and both corrections of the moments' bias.
#include "common.cuh"

extern "C" __global__ void adamw(float *__restrict__ x, const float *__restrict__ g,
                                 float *__restrict__ m, float *__restrict__ v, size_t elements,
                                 float factor, float b1, float taken1, float b2, float taken2,
                                 float keep, float size, float root, float epsilon) {
    for (size_t i = first_element(); i < elements; i += all_threads()) {
        const float slope = g[i] * factor;
        const float first = m[i] * b1 + slope * taken1;
        const float second = v[i] * b2 + slope * slope * taken2;
        m[i] = first;
        v[i] = second;
        x[i] = x[i] * keep - size * first / (sqrtf(second) * root + epsilon);
    }
}

// partial[block] = sum of g^2 over the block's elements, in double; the host adds the blocks' up
// in their order.
//
//   g        [elements] in float
//   partial  [gridDim.x] in double
extern "C" __global__ void squares(const float *__restrict__ g, double *__restrict__ partial,
                                   size_t elements) {
    double sum = 0.0;
    for (size_t i = first_element(); i < elements; i += all_threads()) {
        const double slope = g[i];
        sum += slope * slope;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
    }
}
