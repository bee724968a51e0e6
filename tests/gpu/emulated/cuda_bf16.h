// Stands in for CUDA's header: the few words of the language that our kernels use, for a C++
// compiler. A block's threads are fibers, of which one runs at a time until it waits for others.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <ucontext.h>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

struct __nv_bfloat16 {
    uint16_t bits = 0;
};
inline float __bfloat162float(__nv_bfloat16 narrow) {
    const uint32_t bits = uint32_t(narrow.bits) << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}
// To nearest, ties to even; NaN stays NaN.
inline __nv_bfloat16 __float2bfloat16_rn(float wide) {
    uint32_t bits;
    memcpy(&bits, &wide, sizeof bits);
    if (std::isnan(wide)) {
        return {0x7FFF};
    }
    return {uint16_t((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
}

using std::min;

enum class State { Ready, InBlock, InWarp, Done };

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    dim3 index;
    State state = State::Ready;
};

inline dim3 gridDim, blockDim, blockIdx;
inline std::vector<Fiber> fibers;
inline size_t current;
inline ucontext_t scheduler;
inline std::function<void()> body;
inline double shuffled[1024];

#define threadIdx (fibers[current].index)

inline void wait_for(State state) {
    fibers[current].state = state;
    swapcontext(&fibers[current].context, &scheduler);
}
inline void __syncthreads() { wait_for(State::InBlock); }

template <typename N> N __shfl_xor_sync(unsigned, N value, int away) {
    shuffled[current] = value; // a float or a double
    wait_for(State::InWarp);
    const N other = N(shuffled[current ^ size_t(away)]);
    wait_for(State::InWarp);
    return other;
}

inline void enter() {
    body();
    fibers[current].state = State::Done;
}

// Lets those go on that all the others, who are not done, have caught up with.
inline bool release(size_t first, size_t last, State waiting) {
    bool any = false;
    for (size_t at = first; at < last; at++) {
        if (fibers[at].state != State::Done && fibers[at].state != waiting) {
            return false;
        }
        any |= fibers[at].state == waiting;
    }
    for (size_t at = first; at < last; at++) {
        if (fibers[at].state == waiting) {
            fibers[at].state = State::Ready;
        }
    }
    return any;
}

inline void run_block() {
    const size_t count = size_t(blockDim.x) * blockDim.y;
    fibers.resize(count);
    for (size_t at = 0; at < count; at++) {
        Fiber &fiber = fibers[at];
        fiber.index = {unsigned(at % blockDim.x), unsigned(at / blockDim.x), 0};
        fiber.state = State::Ready;
        fiber.stack.resize(1 << 16);
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = &scheduler;
        makecontext(&fiber.context, enter, 0);
    }
    for (;;) {
        bool ran = false, left = false;
        for (current = 0; current < count; current++) {
            while (fibers[current].state == State::Ready) {
                ran = true;
                swapcontext(&scheduler, &fibers[current].context);
            }
            left |= fibers[current].state != State::Done;
        }
        if (!left) {
            return;
        }
        bool released = false;
        for (size_t warp = 0; warp < count; warp += 32) {
            released |= release(warp, min(warp + 32, count), State::InWarp);
        }
        released |= release(0, count, State::InBlock);
        if (!ran && !released) {
            fprintf(stderr, "the threads of a block wait for each other\n");
            exit(1);
        }
    }
}

// Runs a kernel, given as a call with its arguments, on a grid.
inline void launch(dim3 blocks, dim3 threads, std::function<void()> kernel) {
    gridDim = blocks;
    blockDim = threads;
    body = kernel;
    for (blockIdx.y = 0; blockIdx.y < blocks.y; blockIdx.y++) {
        for (blockIdx.x = 0; blockIdx.x < blocks.x; blockIdx.x++) {
            run_block();
        }
    }
}
