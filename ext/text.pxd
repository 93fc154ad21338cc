"""Writes numbers as text into a buffer, eight digits at once; each writer returns the position
behind what it wrote.

The ``put`` functions also add up the bytes that they write: reading them back for a CheckSum would
have to wait until the stores have reached the cache. Whole words are stored: up to
TEXT_OVERRUN_BYTES behind the number are overwritten as well, so the buffer needs that room.

Source of the digits' arithmetic: P. Khuong, "How to print integers really fast" (2017): halves of
a word are divided by 100, then its quarters by 10, with multiplications.
"""

from libc.stdint cimport uint64_t, int64_t

from ext.word cimport lowest_bit, repeated, store_word

cdef enum:
    TEXT_OVERRUN_BYTES = 8
    HUNDRED_MILLION = 100_000_000


cdef inline uint64_t digits_of(uint64_t value) noexcept nogil:
    """Eight digit values of a number below HUNDRED_MILLION, the first one lowest."""
    cdef uint64_t halves = value // 10_000 | value % 10_000 << 32
    cdef uint64_t hundreds = (halves * 10486 >> 20) & <uint64_t>0x0000007F0000007F
    cdef uint64_t quarters = hundreds | (halves - 100 * hundreds) << 16
    cdef uint64_t tens = (quarters * 103 >> 10) & <uint64_t>0x000F000F000F000F
    return tens | (quarters - 10 * tens) << 8


cdef inline void add_bytes(uint64_t* sum, uint64_t word) noexcept nogil:
    """Adds the eight bytes of a word to a sum of up to a hundred words, see ``sum_of``."""
    sum[0] += (word & <uint64_t>0x00FF00FF00FF00FF) + (word >> 8 & <uint64_t>0x00FF00FF00FF00FF)


cdef inline unsigned int sum_of(uint64_t sum) noexcept nogil:
    """What was added, modulo 65536: the four lanes of the sum together."""
    return <unsigned int>(sum * <uint64_t>0x0001000100010001 >> 48)


cdef inline char* put_digits(char* out, uint64_t digits, int64_t count, uint64_t* sum) \
        noexcept nogil:
    """The last ``count`` of eight digit values, 1 to 8."""
    cdef uint64_t word = (digits | repeated(b"0")) >> (64 - 8 * count)
    store_word(out, word)
    add_bytes(sum, word)
    return out + count


cdef inline char* put_padded(char* out, uint64_t value, int64_t width, uint64_t* sum) \
        noexcept nogil:
    """Exactly ``width`` digits, 1 to 20, zeros in front; ``value`` has no more digits than that."""
    if width > 8:
        out = put_padded(out, value // HUNDRED_MILLION, width - 8, sum)
        value %= HUNDRED_MILLION
        width = 8
    return put_digits(out, digits_of(value), width, sum)


cdef inline char* put_unsigned(char* out, uint64_t value, uint64_t* sum) noexcept nogil:
    """Decimal digits without leading zeros."""
    cdef uint64_t digits
    if value >= HUNDRED_MILLION:
        out = put_unsigned(out, value // HUNDRED_MILLION, sum)
        return put_digits(out, digits_of(value % HUNDRED_MILLION), 8, sum)
    digits = digits_of(value)
    # The last digit stays, a zero too.
    return put_digits(out, digits, 8 - (lowest_bit(digits | <uint64_t>1 << 56) >> 3), sum)


cdef inline char* put_decimal(
    char* out, int64_t steps, int64_t step, int64_t decimals, uint64_t power, uint64_t* sum
) noexcept nogil:
    """A count of steps of ``step`` times 10**-decimals; ``power`` is 10**decimals."""
    cdef uint64_t units = <uint64_t>steps * <uint64_t>step
    cdef uint64_t whole = units // power
    out = put_unsigned(out, whole, sum)
    if decimals > 0:
        out[0] = b"."
        sum[0] += <char>b"."
        out = put_padded(out + 1, units - whole * power, decimals, sum)
    return out


cdef inline char* write_padded(char* out, uint64_t value, int64_t width) noexcept nogil:
    """``put_padded`` where nobody asks for the sum."""
    cdef uint64_t sum = 0
    return put_padded(out, value, width, &sum)


cdef inline char* write_unsigned(char* out, uint64_t value) noexcept nogil:
    """``put_unsigned`` where nobody asks for the sum."""
    cdef uint64_t sum = 0
    return put_unsigned(out, value, &sum)


cdef inline char* write_decimal(
    char* out, int64_t steps, int64_t step, int64_t decimals, uint64_t power
) noexcept nogil:
    """``put_decimal`` where nobody asks for the sum."""
    cdef uint64_t sum = 0
    return put_decimal(out, steps, step, decimals, power, &sum)
