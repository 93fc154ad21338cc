"""Reads long runs of ``["price","quantity"],`` whose numbers are written in one shape.

A venue writes the numbers of an instrument with a fixed count of decimals, so that a number is
known but for its digits. Sixteen bytes at a time are held against what has to stand there: digits,
the point, zeros behind the step, quotes, comma or bracket. Every byte is checked. The first level
that is not of the shape, whatever the reason, ends the run: it is read, or refused, by the general
readers of ``ext/cursor``.

Needs the registers of ``ext/digits``; elsewhere no shape is learned and the general readers do all.
"""

from libc.stdint cimport int64_t, uint64_t

from ext.digits cimport USES_REGISTERS  # the C below asks whether there are any
from ext.wire cimport BookDelta
from ext.word cimport load_word  # the C below calls what stands there

cdef extern from *:
    """
    #define WOW_USUAL_BYTES 24
    typedef struct {                    /* with some count of digits in front of the point */
        unsigned char expected[WOW_USUAL_BYTES];    /* '0' for a digit */
        unsigned char limits[WOW_USUAL_BYTES];      /* above expected: 9, 0, or 255 behind all */
        unsigned char gather[16];       /* places of the digits, the last one in byte 7 */
        int64_t size;                   /* of the number and what follows; 0: not of the shape */
        int64_t minimum;                /* a smaller value has leading zeros */
    } wow_number_shape;

    #if WOW_USES_REGISTERS
    static inline int wow_read_number(
        const char *text, const wow_number_shape *shape, int64_t *value
    ) {
        __m128i values = _mm_sub_epi8(
            _mm_loadu_si128((const __m128i *)text),
            _mm_loadu_si128((const __m128i *)shape->expected));
        __m128i limits = _mm_loadu_si128((const __m128i *)shape->limits);
        uint64_t halves;
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(values, limits), values)) != 0xFFFF)
            return 0;
        if (shape->size > 16) {         /* zeros, quotes and brackets only: no digit so far out */
            uint64_t rest = wow_load_word(text + 16)
                ^ wow_load_word((const char *)shape->expected + 16);
            if ((rest & ~wow_load_word((const char *)shape->limits + 16)) != 0)
                return 0;
        }
        values = _mm_shuffle_epi8(values, _mm_loadu_si128((const __m128i *)shape->gather));
        values = _mm_maddubs_epi16(values, _mm_set1_epi16(0x010A));
        values = _mm_madd_epi16(values, _mm_set1_epi32(0x00010064));
        halves = (uint64_t)_mm_cvtsi128_si64(values);
        *value = (int64_t)((halves & 0xFFFFFFFFull) * 10000 + (halves >> 32));
        return *value >= shape->minimum;
    }
    static inline int64_t wow_count_digits(const char *text) {
        __m128i values = _mm_sub_epi8(
            _mm_loadu_si128((const __m128i *)text), _mm_set1_epi8('0'));
        return __builtin_ctz((uint32_t)_mm_movemask_epi8(
            _mm_cmpeq_epi8(_mm_max_epu8(values, _mm_set1_epi8(10)), values)) | 1u << 8);
    }
    #else
    static inline int wow_read_number(
        const char *text, const wow_number_shape *shape, int64_t *value
    ) {
        (void)text; (void)shape; (void)value;
        return 0;
    }
    static inline int64_t wow_count_digits(const char *text) { (void)text; return 0; }
    #endif
    """
    ctypedef struct NumberShape "wow_number_shape":
        unsigned char expected[24]
        unsigned char limits[24]
        unsigned char gather[16]
        int64_t size
        int64_t minimum
    # Whether there is a number of that shape, with all that has to follow it, and its value.
    bint read_number "wow_read_number"(
        const char* text, const NumberShape* shape, int64_t* value
    ) noexcept nogil
    # Digits at the start of the text, 8 at most.
    int64_t count_digits "wow_count_digits"(const char* text) noexcept nogil

cdef enum:
    MAX_USUAL_DIGITS = 8            # of a number, before the point and behind it together
    USUAL_BYTES = 24                # of a number and what follows it

cdef struct LevelShape:             # by the digits in front of the point
    bint is_known
    NumberShape prices[MAX_USUAL_DIGITS + 1]
    NumberShape quantities[MAX_USUAL_DIGITS + 1]

cdef void learn_levels(
    LevelShape* shape, const char* price, int64_t price_decimals, const char* quantity,
    int64_t quantity_decimals
) noexcept nogil
cdef const char* read_usual_levels(
    const char* p, const char* end, const LevelShape* shape, int64_t side,
    BookDelta** deltas, const BookDelta* limit
) noexcept nogil
