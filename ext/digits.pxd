"""A decimal number of up to fifteen characters at once: ``64000.02`` is one load, not eight turns.

On x86-64 the sixteen characters are one register: the marks of what is no digit say where the
point and the end are, a shuffle gathers the digits at the right, three multiplications add them up
(SSE4.1; the module refuses to load on a processor without it, and ``WOW_BUILD=portable`` builds
for one). Elsewhere two words do the same for seven digits before the point and eight behind it;
numbers beyond go to the general reader. Both give the same number or none.

Measured on a frame of twenty changes, against a loop over the digits: 0.66 of its time with
registers, 0.84 with words.
"""

from libc.stdint cimport int64_t

from ext.word cimport load_word  # the C below calls what stands there

cdef unsigned char DIGIT_GATHERS[16][16][16]    # by position of the point and size of the number
cdef int64_t POWERS_OF_TEN[19]

cdef extern from *:
    """
    #if defined(__SSE4_1__) && !defined(WOW_PORTABLE)
    #define WOW_USES_REGISTERS 1
    #include <smmintrin.h>
    static inline int64_t wow_read_digits(
        const char *text, int64_t decimals, int64_t *units,
        const unsigned char (*gathers)[16][16], const int64_t *powers
    ) {
        __m128i values = _mm_sub_epi8(
            _mm_loadu_si128((const __m128i *)text), _mm_set1_epi8('0'));
        uint32_t others = (uint32_t)_mm_movemask_epi8(
            _mm_cmpeq_epi8(_mm_max_epu8(values, _mm_set1_epi8(10)), values));
        uint32_t behind = others & (others - 1);    /* without the point */
        int64_t point, size, used, missing;
        uint64_t halves;
        if (others == 0)
            return 0;
        point = size = used = __builtin_ctz(others);
        missing = decimals;
        if (text[point] == '.') {
            if (behind == 0)
                return 0;
            size = used = __builtin_ctz(behind);
            missing = decimals - (size - point - 1);
            if (size == point + 1)
                return 0;
            if (missing < 0) {              /* behind the step there may be zeros only */
                uint32_t zeros = (uint32_t)_mm_movemask_epi8(
                    _mm_cmpeq_epi8(values, _mm_setzero_si128()));
                used += missing;
                missing = 0;
                if ((~zeros & ((1u << size) - 1)) >> used != 0)
                    return 0;
            }
        }
        if (point == 0 || (text[0] == '0' && point > 1) || point + decimals > 18)
            return 0;
        values = _mm_shuffle_epi8(
            values, _mm_loadu_si128((const __m128i *)gathers[point][used]));
        values = _mm_maddubs_epi16(values, _mm_set1_epi16(0x010A));
        values = _mm_madd_epi16(values, _mm_set1_epi32(0x00010064));
        values = _mm_packus_epi32(values, values);
        values = _mm_madd_epi16(values, _mm_set1_epi32(0x00012710));
        halves = (uint64_t)_mm_cvtsi128_si64(values);
        *units = (int64_t)((halves & 0xFFFFFFFFull) * 100000000ull + (halves >> 32))
            * powers[missing];
        return wow_predicted((uint64_t)size);
    }
    #else
    #define WOW_USES_REGISTERS 0
    static inline uint64_t wow_other_marks(uint64_t values) {
        return (((values & 0x7F7F7F7F7F7F7F7Full) + 0x7676767676767676ull) | values)
            & 0x8080808080808080ull;
    }
    static inline uint64_t wow_eight_digits(uint64_t values) {
        values = (values * 10 + (values >> 8)) & 0x00FF00FF00FF00FFull;
        values = (values * 100 + (values >> 16)) & 0x0000FFFF0000FFFFull;
        return (values * 10000 + (values >> 32)) & 0x00000000FFFFFFFFull;
    }
    static inline int64_t wow_read_digits(
        const char *text, int64_t decimals, int64_t *units,
        const unsigned char (*gathers)[16][16], const int64_t *powers
    ) {
        uint64_t whole = wow_load_word(text) ^ 0x3030303030303030ull;
        uint64_t marks = wow_other_marks(whole);
        uint64_t fraction = 0;
        int64_t point, digits = 0;
        (void)gathers;
        if (marks == 0)
            return 0;
        point = __builtin_ctzll(marks) >> 3;
        if (point == 0 || (text[0] == '0' && point > 1) || point + decimals > 18)
            return 0;
        whole = wow_eight_digits(whole << (64 - 8 * point));
        point = wow_predicted((uint64_t)point);
        if (text[point] == '.') {
            fraction = wow_load_word(text + point + 1) ^ 0x3030303030303030ull;
            marks = wow_other_marks(fraction);
            digits = marks == 0 ? 8 : __builtin_ctzll(marks) >> 3;
            if (digits == 0 || (digits == 8 && (unsigned char)(text[point + 9] - 48) < 10))
                return 0;
            fraction <<= 64 - 8 * digits;   /* what is behind the number falls out */
            fraction >>= 64 - 8 * digits;   /* and counts as zeros: scaled to eight decimals */
            if (decimals < 8 && fraction >> (8 * decimals) != 0)
                return 0;
            fraction = decimals < 8
                ? wow_eight_digits(fraction << (56 - 8 * decimals) << 8)
                : wow_eight_digits(fraction) * (uint64_t)powers[decimals - 8];
            digits = 1 + wow_predicted((uint64_t)digits);
        }
        *units = (int64_t)(whole * (uint64_t)powers[decimals] + fraction);
        return point + digits;
    }
    #endif
    """
    bint USES_REGISTERS "WOW_USES_REGISTERS"
    # Size of the number at ``text`` and, as a whole number of 10**-decimals (0 to 18), its value;
    # 0 for any other text, whether it is a number or not. Looks at 24 bytes, and does not look at
    # what ends the number. Zeros beyond ``decimals`` are allowed.
    int64_t wow_read_digits(
        const char* text, int64_t decimals, int64_t* units,
        const unsigned char (*gathers)[16][16], const int64_t* powers
    ) noexcept nogil


cdef inline int64_t read_digits(const char* text, int64_t decimals, int64_t* units) noexcept nogil:
    """``wow_read_digits`` with its tables."""
    return wow_read_digits(text, decimals, units, DIGIT_GATHERS, POWERS_OF_TEN)
