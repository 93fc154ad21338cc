"""CheckSum(10) of FIX: the sum of all bytes, modulo 256 (FIX session layer, message trailer)."""

from libc.stdint cimport int64_t

from ext.word cimport load_word  # the C below calls what stands there

cdef extern from *:
    """
    #if defined(__SSE2__) && !defined(WOW_PORTABLE)
    #include <emmintrin.h>
    static inline unsigned wow_sum_bytes(const char *text, int64_t size) {
        __m128i sums = _mm_setzero_si128();
        int64_t at = 0;
        unsigned sum;
        for (; at + 16 <= size; at += 16)
            sums = _mm_add_epi64(sums, _mm_sad_epu8(
                _mm_loadu_si128((const __m128i *)(text + at)), _mm_setzero_si128()));
        sum = (unsigned)_mm_cvtsi128_si32(sums)
            + (unsigned)_mm_cvtsi128_si32(_mm_unpackhi_epi64(sums, sums));
        for (; at < size; at++)
            sum += (unsigned char)text[at];
        return sum & 255;
    }
    #else
    static inline unsigned wow_sum_bytes(const char *text, int64_t size) {
        uint64_t even = 0, odd = 0;         /* four sums each, modulo 256 */
        int64_t at = 0;
        unsigned sum;
        for (; at + 8 <= size; at += 8) {
            uint64_t word = wow_load_word(text + at);
            even = (even + (word & 0x00FF00FF00FF00FFull)) & 0x00FF00FF00FF00FFull;
            odd = (odd + (word >> 8 & 0x00FF00FF00FF00FFull)) & 0x00FF00FF00FF00FFull;
        }
        even += odd;
        sum = (unsigned)(even + (even >> 16) + (even >> 32) + (even >> 48));
        for (; at < size; at++)
            sum += (unsigned char)text[at];
        return sum & 255;
    }
    #endif
    """
    # The CheckSum of ``size`` bytes, 0 to 255.
    unsigned int sum_bytes "wow_sum_bytes"(const char* text, int64_t size) noexcept nogil
