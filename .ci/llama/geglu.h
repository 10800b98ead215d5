// gelu(x) * g in F32 for AVX512 and AVX2, x / (1 + exp(-2u)) with u = sqrt(2/pi) (x + 0.044715 x^3): the same function
// that llama.cpp looks up value by value in a table of halves. Gives the number of values done, whole vectors only.
#pragma once

inline static int ggml_vec_geglu_lanes(const int n, float * y, const float * x, const float * g) {
    int i = 0;
    const float linear = -2 * 0.79788456080286535587989211986876f, cubic = linear * 0.044715f;
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    for (; i + 16 <= n; i += 16) {
        const __m512 v = _mm512_loadu_ps(x + i);
        const __m512 slope = _mm512_fmadd_ps(_mm512_mul_ps(v, v), _mm512_set1_ps(cubic), _mm512_set1_ps(linear));
        const __m512 below = _mm512_add_ps(_mm512_set1_ps(1), ggml_v_expf(_mm512_mul_ps(v, slope)));
        _mm512_storeu_ps(y + i, _mm512_mul_ps(_mm512_div_ps(v, below), _mm512_loadu_ps(g + i)));
    }
#elif defined(__AVX2__) && defined(__FMA__)
    for (; i + 8 <= n; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i);
        const __m256 slope = _mm256_fmadd_ps(_mm256_mul_ps(v, v), _mm256_set1_ps(cubic), _mm256_set1_ps(linear));
        const __m256 below = _mm256_add_ps(_mm256_set1_ps(1), ggml_v_expf(_mm256_mul_ps(v, slope)));
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_div_ps(v, below), _mm256_loadu_ps(g + i)));
    }
#else
    (void) n; (void) y; (void) x; (void) g; (void) linear; (void) cubic;
#endif
    return i;
}
