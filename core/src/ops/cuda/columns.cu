// Sums over rows, for gradients of what is added to or multiplied with every row.
//
// They are made in two stages, so that they need no atomics: a block sums its own rows, then a
// thread for each column folds the blocks' sums in their order.
#include "common.cuh"

// Stage one: partial[block][c] = sum of x[r][c] over the block's rows.
//
//   x        [rows, width]
//   partial  [gridDim.y, width]
//
// Blocks of 32 columns by blockDim.y rows; gridDim.x covers the columns.
template <typename T>
__device__ __forceinline__ void sum_rows(const T *__restrict__ x, float *__restrict__ partial,
                                         unsigned rows, unsigned width, unsigned rows_each) {
    __shared__ float sums[32][WARP];
    const unsigned column = blockIdx.x * WARP + threadIdx.x;
    const unsigned end = min(rows, (blockIdx.y + 1) * rows_each);
    float sum = 0.f;
    if (column < width) {
        for (unsigned row = blockIdx.y * rows_each + threadIdx.y; row < end; row += blockDim.y) {
            sum += load(x[(size_t)row * width + column]);
        }
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < width) {
        float total = 0.f;
        for (unsigned y = 0; y < blockDim.y; y++) {
            total += sums[y][threadIdx.x];
        }
        partial[(size_t)blockIdx.y * width + column] = total;
    }
}

extern "C" __global__ void sum_rows_f32(const float *x, float *partial, unsigned rows,
                                        unsigned width, unsigned rows_each) {
    sum_rows(x, partial, rows, width, rows_each);
}
extern "C" __global__ void sum_rows_bf16(const __nv_bfloat16 *x, float *partial, unsigned rows,
                                         unsigned width, unsigned rows_each) {
    sum_rows(x, partial, rows, width, rows_each);
}

// Stage two: total[c] = sum of partial[block][c] over blocks, one thread a column.
//
//   partial  [blocks, width]
//   total    [width]
extern "C" __global__ void fold(const float *__restrict__ partial, float *__restrict__ total,
                                unsigned blocks, unsigned width) {
    const unsigned column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) {
        return;
    }
    float sum = 0.f;
    for (unsigned block = 0; block < blocks; block++) {
        sum += partial[(size_t)block * width + column];
    }
    total[column] = sum;
}
