// The kernels' sources, compiled for the CPU and run thread by thread, against plain loops in
// double: values, gradients, and that the same input gives the same bits. What the sources say is
// checked here, not what a device makes of them.
//
//     g++ -std=c++17 -O1 -I tests/gpu/emulated -I core/src/ops/cuda tests/gpu/emulated/main.cpp
//
// f32 has to agree to 1e-5 of the largest entry, bf16 to 1e-2 (results are rounded to 2^-9).
#include "common.cuh"

namespace columns {
#include "columns.cu"
}
namespace norm {
#include "norm.cu"
}
namespace softmax {
#include "softmax.cu"
}
namespace adapter {
#include "adapter.cu"
}
namespace entropy {
#include "cross_entropy.cu"
}
namespace optimizer {
#include "adamw.cu"
}
namespace drop {
#include "dropout.cu"
}

typedef __nv_bfloat16 bf16;
typedef std::vector<double> Numbers;

static int faults = 0;

static double draw() { // nearly normal
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        sum += rand() / (RAND_MAX + 1.0);
    }
    return sum;
}
template <typename T> std::vector<T> random(size_t count) {
    std::vector<T> values(count);
    for (T &value : values) {
        value = as<T>(float(draw()));
    }
    return values;
}
// `narrow`: a result in f32 that is computed from one in bf16.
template <typename T>
void check(const std::string &what, const std::vector<T> &found, const Numbers &expected, bool narrow = false) {
    double most = 1e-6, off = 0;
    for (size_t i = 0; i < expected.size(); i++) {
        const double away = std::fabs(load(found[i]) - expected[i]);
        most = std::max(most, std::fabs(expected[i]));
        off = away == away ? std::max(off, away) : INFINITY;
    }
    narrow |= sizeof(T) == 2;
    const bool right = off / most <= (narrow ? 1e-2 : 1e-5) && found.size() == expected.size();
    printf("%-9s %-44s off by %.1e of the largest entry\n", right ? "ok" : "NOT RIGHT", what.c_str(), off / most);
    faults += !right;
}
static std::string named(const std::string &what, bool narrow) {
    return what + (narrow ? ", bf16" : ", f32");
}
#define IS_NARROW (sizeof(T) == 2)
#define PICK(kernel) (pick<T>(kernel##_f32, kernel##_bf16))
template <typename T, typename F, typename G> auto pick(F wide, G narrow) {
    if constexpr (sizeof(T) == 2) {
        return narrow;
    } else {
        return wide;
    }
}

static const unsigned EACH = 128; // rows of a block in sums over rows
static unsigned up(size_t a, size_t b) { return unsigned((a + b - 1) / b); }

static std::vector<float> folded(const float *partial, unsigned blocks, unsigned width) {
    std::vector<float> total(width);
    launch({up(width, 256)}, {256}, [&] { columns::fold(partial, total.data(), blocks, width); });
    return total;
}
template <typename T> std::vector<float> row_sums(const std::vector<T> &x, unsigned rows, unsigned width) {
    const unsigned blocks = up(rows, EACH);
    std::vector<float> partial(size_t(blocks) * width);
    launch({up(width, 32), blocks}, {32, 8},
           [&] { PICK(columns::sum_rows)(x.data(), partial.data(), rows, width, EACH); });
    return folded(partial.data(), blocks, width);
}

template <typename T> void norms(bool full, unsigned rows, unsigned width) {
    const float epsilon = 1e-6f;
    const auto x = random<T>(size_t(rows) * width), dy = random<T>(x.size());
    const auto w = random<float>(width), b = random<float>(width);
    std::vector<T> y(x.size()), dx(x.size());
    std::vector<float> moments(2 * rows);
    launch({rows}, {256}, [&] {
        if (full) {
            PICK(norm::layer_norm)(x.data(), w.data(), b.data(), y.data(), width, epsilon);
        } else {
            PICK(norm::rms_norm)(x.data(), w.data(), y.data(), width, epsilon);
        }
    });
    launch({rows}, {256}, [&] {
        auto kernel = full ? PICK(norm::layer_norm_backward) : PICK(norm::rms_norm_backward);
        kernel(x.data(), w.data(), dy.data(), dx.data(), moments.data(), width, epsilon);
    });
    const unsigned blocks = up(rows, EACH);
    std::vector<float> partials(2 * size_t(blocks) * width);
    launch({up(width, 32), blocks}, {32, 8}, [&] {
        PICK(norm::norm_parameters)(x.data(), dy.data(), moments.data(), partials.data(), rows, width, EACH);
    });

    Numbers ey(x.size()), edx(x.size()), edw(width), edb(width);
    for (unsigned r = 0; r < rows; r++) {
        auto at = [&](const std::vector<T> &v, unsigned c) -> double { return load(v[size_t(r) * width + c]); };
        double mean = 0, square = 0, along = 0, level = 0;
        for (unsigned c = 0; c < width && full; c++) {
            mean += at(x, c) / width;
        }
        for (unsigned c = 0; c < width; c++) {
            square += (at(x, c) - mean) * (at(x, c) - mean) / width;
        }
        const double inverse = 1 / std::sqrt(square + epsilon);
        for (unsigned c = 0; c < width; c++) {
            const double n = (at(x, c) - mean) * inverse, g = w[c] * at(dy, c);
            along += g * n / width;
            level += full ? g / width : 0;
            edw[c] += at(dy, c) * n;
            edb[c] += at(dy, c);
            ey[size_t(r) * width + c] = n * w[c] + (full ? b[c] : 0);
        }
        for (unsigned c = 0; c < width; c++) {
            const double n = (at(x, c) - mean) * inverse;
            edx[size_t(r) * width + c] = (w[c] * at(dy, c) - level - n * along) * inverse;
        }
    }
    const char *form = full ? "layer norm" : "rms norm";
    check(named(form, IS_NARROW), y, ey);
    check(named(std::string(form) + ", dx", IS_NARROW), dx, edx);
    check(named(std::string(form) + ", dw", IS_NARROW), folded(partials.data(), blocks, width), edw);
    check(named(std::string(form) + ", db", IS_NARROW),
          folded(partials.data() + size_t(blocks) * width, blocks, width), edb);
}

template <typename T> void softmaxes(unsigned batch, unsigned heads, unsigned own, unsigned queries, unsigned keys) {
    const float scale = 0.35f;
    const size_t rows = size_t(batch) * heads * queries;
    const auto scores = random<T>(rows * keys), dp = random<T>(rows * keys);
    const auto bias = random<T>(size_t(std::max(own, 1u)) * queries * keys);
    std::vector<T> mask(size_t(batch) * keys), p(rows * keys), ds(rows * keys);
    for (unsigned i = 0; i < batch * keys; i++) { // half of every second sequence, all of the third
        const bool off = (i / keys % 2 == 1 && i % keys > keys / 2) || i / keys == 2;
        mask[i] = as<T>(off ? -INFINITY : 0.f);
    }
    const T *added = own ? bias.data() : nullptr;
    std::vector<float> t(rows), dbias(bias.size());
    launch({up(rows, 4)}, {32, 4}, [&] {
        PICK(softmax::softmax)
        (scores.data(), added, mask.data(), p.data(), rows, heads, own ? own : 1, queries, keys, scale);
    });
    launch({up(rows, 4)}, {32, 4},
           [&] { PICK(softmax::softmax_backward)(p.data(), dp.data(), ds.data(), t.data(), rows, keys, scale); });
    launch({up(dbias.size(), 256)}, {256}, [&] {
        PICK(softmax::softmax_bias_gradient)
        (p.data(), dp.data(), t.data(), dbias.data(), batch, heads, own ? own : 1, queries, keys);
    });
    Numbers ep(p.size()), eds(p.size()), edbias(bias.size());
    for (size_t r = 0; r < rows; r++) {
        const size_t head = r / queries % heads, query = r % queries, sequence = r / queries / heads;
        const size_t bias_row = ((own > 1 ? head : 0) * queries + query) * keys;
        Numbers score(keys);
        double top = -INFINITY, sum = 0, mean = 0;
        for (unsigned k = 0; k < keys; k++) {
            score[k] = scale * load(scores[r * keys + k]) + load(mask[sequence * keys + k]);
            score[k] += own ? load(bias[bias_row + k]) : 0;
            top = std::max(top, score[k]);
        }
        if (top == -INFINITY) {
            continue;
        }
        for (unsigned k = 0; k < keys; k++) {
            sum += std::exp(score[k] - top);
        }
        for (unsigned k = 0; k < keys; k++) {
            ep[r * keys + k] = std::exp(score[k] - top) / sum;
            mean += ep[r * keys + k] * load(dp[r * keys + k]);
        }
        for (unsigned k = 0; k < keys; k++) {
            const double slope = ep[r * keys + k] * (load(dp[r * keys + k]) - mean);
            eds[r * keys + k] = scale * slope;
            edbias[bias_row + k] += slope;
        }
    }
    check(named("softmax", IS_NARROW), p, ep);
    check(named("softmax, dS", IS_NARROW), ds, eds);
    check(named("softmax, dbias", IS_NARROW), dbias, edbias, IS_NARROW);
}

static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
static double value(int kind, double x) {
    const double pi = std::acos(-1.0);
    switch (kind) {
    case 0:
        return x > 0 ? x : 0;
    case 1:
        return x * sigmoid(x);
    case 2:
        return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    default:
        return x / 2 * (1 + std::tanh(std::sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
    }
}
template <typename T> void adapters(int kind, unsigned rows, unsigned width) {
    const size_t count = size_t(rows) * width;
    const auto x = random<T>(count), r = random<T>(count), dy = random<T>(count);
    const auto b = random<float>(width);
    std::vector<T> y(count), dx(count), end(count);
    launch({up(count, 256)}, {256}, [&] {
        auto kernel = kind == 0   ? PICK(adapter::adapter_relu)
                      : kind == 1 ? PICK(adapter::adapter_swish)
                      : kind == 2 ? PICK(adapter::adapter_gelu)
                                  : PICK(adapter::adapter_gelu_new);
        kernel(x.data(), b.data(), y.data(), count, width);
    });
    launch({3}, {256}, [&] { // fewer threads than elements: each takes several
        auto kernel = kind == 0   ? PICK(adapter::adapter_relu_backward)
                      : kind == 1 ? PICK(adapter::adapter_swish_backward)
                      : kind == 2 ? PICK(adapter::adapter_gelu_backward)
                                  : PICK(adapter::adapter_gelu_new_backward);
        kernel(x.data(), b.data(), dy.data(), dx.data(), count, width);
    });
    launch({up(count, 256)}, {256},
           [&] { PICK(adapter::adapter_end)(x.data(), b.data(), r.data(), end.data(), count, width); });
    Numbers ey(count), edx(count), eend(count), edb(width);
    for (size_t i = 0; i < count; i++) {
        const double at = load(x[i]) + b[i % width], h = 1e-5;
        ey[i] = value(kind, at);
        edx[i] = (value(kind, at + h) - value(kind, at - h)) / (2 * h) * load(dy[i]);
        eend[i] = load(r[i]) + at;
        edb[i % width] += load(dx[i]);
    }
    const char *kinds[] = {"relu", "swish", "gelu", "gelu_new"};
    const std::string what = std::string("adapter, ") + kinds[kind];
    check(named(what, IS_NARROW), y, ey);
    check(named(what + ", dx", IS_NARROW), dx, edx);
    check(named(what + ", db", IS_NARROW), row_sums(dx, rows, width), edb);
    check(named("adapter, end", IS_NARROW), end, eend);
}

template <typename T> void entropies(unsigned rows, unsigned classes) {
    const auto z = random<T>(size_t(rows) * classes);
    std::vector<unsigned> chosen(rows);
    std::vector<float> normaliser(rows), losses(rows), loss(1);
    std::vector<T> dz(z.size());
    const float d = 3;
    for (unsigned r = 0; r < rows; r++) {
        chosen[r] = r * 7 % classes;
    }
    launch({rows}, {256}, [&] {
        PICK(entropy::cross_entropy)(z.data(), chosen.data(), normaliser.data(), losses.data(), classes);
    });
    launch({1}, {256}, [&] { entropy::mean_loss(losses.data(), loss.data(), rows); });
    launch({rows}, {256}, [&] {
        PICK(entropy::cross_entropy_backward)(z.data(), chosen.data(), normaliser.data(), &d, dz.data(), classes);
    });
    Numbers eloss(1), edz(z.size());
    for (unsigned r = 0; r < rows; r++) {
        const T *row = &z[size_t(r) * classes];
        double sum = 0;
        for (unsigned c = 0; c < classes; c++) {
            sum += std::exp(double(load(row[c])));
        }
        eloss[0] += (std::log(sum) - load(row[chosen[r]])) / rows;
        for (unsigned c = 0; c < classes; c++) {
            edz[size_t(r) * classes + c] = d / rows * (std::exp(load(row[c])) / sum - (c == chosen[r]));
        }
    }
    check(named("cross-entropy", IS_NARROW), loss, eloss);
    check(named("cross-entropy, dz", IS_NARROW), dz, edz);
    chosen[0] = classes;
    launch({rows}, {256}, [&] {
        PICK(entropy::cross_entropy)(z.data(), chosen.data(), normaliser.data(), losses.data(), classes);
    });
    faults += !std::isnan(losses[0]);
}

static void adamw(size_t count) {
    auto x = random<float>(count), m = random<float>(count), v = random<float>(count);
    const auto g = random<float>(count);
    for (float &each : v) {
        each = std::fabs(each);
    }
    Numbers ex(count), em(count), ev(count), norm(1);
    for (size_t i = 0; i < count; i++) {
        const double slope = 0.5 * g[i];
        em[i] = 0.9 * m[i] + 0.1 * slope;
        ev[i] = 0.999 * v[i] + 0.001 * slope * slope;
        ex[i] = 0.99 * x[i] - 0.01 * em[i] / (1.5 * std::sqrt(ev[i]) + 1e-8);
        norm[0] += double(g[i]) * g[i];
    }
    launch({3}, {256}, [&] {
        optimizer::adamw(x.data(), g.data(), m.data(), v.data(), count, 0.5f, 0.9f, 0.1f, 0.999f, 0.001f, 0.99f,
                         0.01f, 1.5f, 1e-8f);
    });
    std::vector<double> partial(7);
    launch({7}, {256}, [&] { optimizer::squares(g.data(), partial.data(), count); });
    double sum = 0;
    for (double part : partial) {
        sum += part;
    }
    check("AdamW, values", x, ex);
    check("AdamW, first moment", m, em);
    check("AdamW, second moment", v, ev);
    check("AdamW, square of the norm", std::vector<float>{float(sum)}, norm);
}

// With what core/src/random.rs draws, compared as shares of 1.
template <typename T> void dropouts() {
    const size_t count = 3000;
    const auto x = random<T>(count);
    std::vector<T> y(count);
    const unsigned long long key = 0x123456789ABCDEFull, below = (unsigned long long)(0.25 * 9007199254740992.0);
    launch({5}, {256}, [&] { PICK(drop::dropout)(x.data(), y.data(), count, key, below, 4.f / 3); });
    Numbers ey(count);
    size_t dropped = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned long long z = key + i * 0x9E3779B97F4A7C15ull;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        z ^= z >> 31;
        const bool off = (z >> 11) / 9007199254740992.0 < 0.25;
        dropped += off;
        ey[i] = off ? 0 : load(x[i]) * 4.0 / 3;
    }
    check(named("dropout", IS_NARROW), y, ey);
    // The same numbers stand in core/src/random.rs.
    const unsigned long long known = 0x0123456789ABCDEFull;
    faults += drop::bits(known, 0) != 0xB2C058E4EBB5112Cull;
    faults += drop::bits(known, 1) != 0x157A3807A48FAA9Dull;
    faults += drop::bits(known, 1000003) != 0x13F9860C69DD094Dull;
    faults += dropped < 650 || dropped > 850;
}

template <typename T> void all() {
    for (bool full : {false, true}) {
        norms<T>(full, 1, 5);
        norms<T>(full, 130, 77);
        norms<T>(full, 3, 768);
    }
    softmaxes<T>(1, 1, 0, 1, 1);
    softmaxes<T>(3, 4, 4, 5, 7);
    softmaxes<T>(4, 2, 1, 3, 65);
    softmaxes<T>(2, 3, 0, 2, 200);
    for (int kind = 0; kind < 4; kind++) {
        adapters<T>(kind, 150, 33);
    }
    entropies<T>(1, 2);
    entropies<T>(5, 2);
    entropies<T>(7, 1000);
    dropouts<T>();
}

int main() {
    srand(1);
    all<float>();
    all<bf16>();
    adamw(1);
    adamw(5000);
    if (faults) {
        printf("%d checks failed\n", faults);
    }
    return faults != 0;
}
