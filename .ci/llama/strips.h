// Matrix product for Q5_0 and Q8_0 weights with many columns (prompts), for AVX512 with VNNI and for AVX2.
//
// Rows are taken in strips, one row per 32-bit lane. A strip is unpacked once into bytes that lie as the dot-product
// instruction wants them (four of one row side by side) and then multiplied with every column, so unpacking costs
// next to nothing and no horizontal sums are needed. Integer sums are exact; scales are applied block by block in F32.
// Q8_0 needs VNNI: with AVX2 its products don't fit 16 bits.
#pragma once

#include <vector>

#if defined(__AVX512VNNI__) && defined(__AVX512F__)
#define STRIP_ROWS 16
#define STRIPS_q5_0
#define STRIPS_q8_0
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define STRIP_ROWS 8
#define STRIPS_q5_0
#endif

#ifdef STRIP_ROWS

namespace strips {

constexpr int64_t ROWS = STRIP_ROWS;
constexpr int64_t FEWEST_COLUMNS = 4;
constexpr int WIDE = ROWS == 16 ? 8 : 4;
constexpr int QUADS = QK8_0 / 4;

// Weights are kept unsigned: `offset` was added and is taken off again through the sum of the column's block.
template <typename BLOCK> struct format;
template <> struct format<block_q5_0> {
    static constexpr int offset = 16;
    static __m256i unpack(const block_q5_0 & block) {
        const __m128i packed = _mm_loadu_si128((const __m128i *) block.qs);
        const __m128i low = _mm_and_si128(packed, _mm_set1_epi8(15));
        const __m128i high = _mm_and_si128(_mm_srli_epi16(packed, 4), _mm_set1_epi8(15));
        uint32_t fifth;
        memcpy(&fifth, block.qh, sizeof(fifth));
        const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32((int) fifth), _mm256_set_epi64x(
            0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0));
        const __m256i bit = _mm256_set1_epi64x((long long) 0x8040201008040201);
        const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
        return _mm256_or_si256(_mm256_set_m128i(high, low), _mm256_and_si256(set, _mm256_set1_epi8(16)));
    }
};
#ifdef STRIPS_q8_0
template <> struct format<block_q8_0> {
    static constexpr int offset = 128;
    static __m256i unpack(const block_q8_0 & block) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i *) block.qs);
        return _mm256_xor_si256(bytes, _mm256_set1_epi8((char) 0x80));
    }
};
#endif

struct strip_block {
    float scale[ROWS];
    uint8_t quads[QUADS][ROWS][4];
};

struct column_block {
    float scale;
    int32_t correction;
};

// Eight rows of eight 32-bit values become eight columns.
inline void transpose(__m256i rows[8]) {
    __m256i pairs[8], fours[8];
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        fours[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x20);
        rows[i + 4] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x31);
    }
}

template <typename BLOCK>
void unpack_strip(const BLOCK * rows, int64_t stride, int64_t blocks, strip_block * out) {
    for (int64_t b = 0; b < blocks; b++) {
        for (int64_t first = 0; first < ROWS; first += 8) {
            __m256i bytes[8];
            for (int64_t r = 0; r < 8; r++) {
                const BLOCK & block = rows[(first + r) * stride + b];
                bytes[r] = format<BLOCK>::unpack(block);
                out[b].scale[first + r] = GGML_CPU_FP16_TO_FP32(block.d);
            }
            transpose(bytes);
            for (int q = 0; q < QUADS; q++) {
                _mm256_storeu_si256((__m256i *) out[b].quads[q][first], bytes[q]);
            }
        }
    }
}

template <typename BLOCK>
void prepare_columns(const block_q8_0 * B, int64_t ldb, int64_t n, int64_t blocks, column_block * out) {
    for (int64_t j = 0; j < n; j++) {
        for (int64_t b = 0; b < blocks; b++) {
            const block_q8_0 & block = B[j * ldb + b];
            const __m256i bytes = _mm256_loadu_si256((const __m256i *) block.qs);
            const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
            const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
            __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
            sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
            sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
            out[j * blocks + b] = { GGML_CPU_FP16_TO_FP32(block.d), -format<BLOCK>::offset * _mm_cvtsi128_si32(sum) };
        }
    }
}

// C[0..ROWS) of N columns; `B` and `prepared` begin at the first of them.
template <int N>
void multiply(const strip_block * strip, const block_q8_0 * B, int64_t ldb, const column_block * prepared,
              int64_t blocks, float * C, int64_t ldc) {
#if STRIP_ROWS == 16
    __m512 sums[N];
    for (int j = 0; j < N; j++) sums[j] = _mm512_setzero_ps();
    for (int64_t b = 0; b < blocks; b++) {
        __m512i weights[QUADS];
        for (int q = 0; q < QUADS; q++) weights[q] = _mm512_loadu_si512(strip[b].quads[q]);
        const __m512 scale = _mm512_loadu_ps(strip[b].scale);
        for (int j = 0; j < N; j++) {
            const column_block & column = prepared[j * blocks + b];
            const int8_t * values = B[j * ldb + b].qs;
            __m512i dot = _mm512_set1_epi32(column.correction);
            for (int q = 0; q < QUADS; q++) {
                int32_t quad;
                memcpy(&quad, values + 4 * q, 4);
                dot = _mm512_dpbusd_epi32(dot, weights[q], _mm512_set1_epi32(quad));
            }
            const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(column.scale));
            sums[j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), both, sums[j]);
        }
    }
    for (int j = 0; j < N; j++) _mm512_storeu_ps(C + j * ldc, sums[j]);
#else
    const __m256i ones = _mm256_set1_epi16(1);
    __m256 sums[N];
    for (int j = 0; j < N; j++) sums[j] = _mm256_setzero_ps();
    for (int64_t b = 0; b < blocks; b++) {
        __m256i dots[N];
        for (int j = 0; j < N; j++) dots[j] = _mm256_set1_epi32(prepared[j * blocks + b].correction);
        // Four products of 31 and 127 in pairs stay within 16 bits.
        for (int q = 0; q < QUADS; q += 4) {
            __m256i weights[4];
            for (int i = 0; i < 4; i++) weights[i] = _mm256_loadu_si256((const __m256i *) strip[b].quads[q + i]);
            for (int j = 0; j < N; j++) {
                const int8_t * values = B[j * ldb + b].qs + 4 * q;
                __m256i pairs[4];
                for (int i = 0; i < 4; i++) {
                    int32_t quad;
                    memcpy(&quad, values + 4 * i, 4);
                    pairs[i] = _mm256_maddubs_epi16(weights[i], _mm256_set1_epi32(quad));
                }
                const __m256i all = _mm256_add_epi16(_mm256_add_epi16(pairs[0], pairs[1]),
                                                     _mm256_add_epi16(pairs[2], pairs[3]));
                dots[j] = _mm256_add_epi32(dots[j], _mm256_madd_epi16(all, ones));
            }
        }
        const __m256 scale = _mm256_loadu_ps(strip[b].scale);
        for (int j = 0; j < N; j++) {
            const __m256 both = _mm256_mul_ps(scale, _mm256_set1_ps(prepared[j * blocks + b].scale));
            sums[j] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[j]), both, sums[j]);
        }
    }
    for (int j = 0; j < N; j++) _mm256_storeu_ps(C + j * ldc, sums[j]);
#endif
}

// False where another kernel must do it: few columns, or rows that don't fill strips. `blocks` is the row length.
template <typename BLOCK>
bool matmul(int64_t m, int64_t n, int64_t blocks, const BLOCK * A, int64_t lda, const block_q8_0 * B, int64_t ldb,
            float * C, int64_t ldc, int ith, int nth) {
    if (n < FEWEST_COLUMNS || m % ROWS != 0) {
        return false;
    }
    thread_local std::vector<column_block> prepared;
    thread_local std::vector<strip_block> strip;
    prepared.resize(n * blocks);
    strip.resize(blocks);
    prepare_columns<BLOCK>(B, ldb, n, blocks, prepared.data());
    const int64_t all = m / ROWS;
    for (int64_t s = all * ith / nth; s < all * (ith + 1) / nth; s++) {
        unpack_strip(A + s * ROWS * lda, lda, blocks, strip.data());
        int64_t j = 0;
        const auto next = [&](auto width) {
            constexpr int N = decltype(width)::value;
            multiply<N>(strip.data(), B + j * ldb, ldb, prepared.data() + j * blocks, blocks, C + j * ldc + s * ROWS, ldc);
            j += N;
        };
        while (n - j >= WIDE) next(std::integral_constant<int, WIDE>());
        while (n - j >= 2) next(std::integral_constant<int, 2>());
        while (n - j >= 1) next(std::integral_constant<int, 1>());
    }
    return true;
}

}  // namespace strips

#endif
