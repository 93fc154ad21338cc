"""Writes numbers and times as text into a buffer; each writer returns the position behind."""

from libc.stdint cimport int64_t, uint64_t

cdef inline char* write_unsigned(char* out, uint64_t value) noexcept nogil:
    """Decimal digits without leading zeros."""
    cdef char digits[20]
    cdef int count = 0
    while True:
        digits[count] = <char>(48 + value % 10)
        count += 1
        value //= 10
        if value == 0:
            break
    while count > 0:
        count -= 1
        out[0] = digits[count]
        out += 1
    return out

cdef inline char* write_padded(char* out, uint64_t value, int width) noexcept nogil:
    """Exactly ``width`` digits, zeros in front; higher digits are cut."""
    cdef int at
    for at in range(width - 1, -1, -1):
        out[at] = <char>(48 + value % 10)
        value //= 10
    return out + width

cdef inline char* write_decimal(
    char* out, int64_t steps, int64_t step, int64_t decimals, uint64_t power
) noexcept nogil:
    """A count of steps of ``step`` times 10**-decimals; ``power`` is 10**decimals."""
    cdef uint64_t units = <uint64_t>steps * <uint64_t>step
    out = write_unsigned(out, units // power)
    if decimals > 0:
        out[0] = b"."
        out = write_padded(out + 1, units % power, <int>decimals)
    return out
