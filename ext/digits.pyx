"""Tables of ``digits.pxd``, and the check that this processor has what was compiled in."""

from libc.stdint cimport int64_t
from libc.string cimport memset

cdef extern from *:
    """
    #if WOW_USES_REGISTERS
    static int wow_has_registers(void) { return __builtin_cpu_supports("sse4.1"); }
    #else
    static int wow_has_registers(void) { return 1; }
    #endif
    """
    bint has_registers "wow_has_registers"()

if not has_registers():
    raise ImportError(
        "this build of ext uses SSE4.1, which this processor lacks;"
        " build with WOW_BUILD=portable (docs/contributing.md)"
    )


cdef void _fill_tables() noexcept:
    """Powers of ten; and for each number the places of its digits, the last one in byte 15."""
    cdef int64_t power = 1
    cdef int index, point, size, place
    for index in range(19):
        POWERS_OF_TEN[index] = power
        power *= 10 if index < 18 else 1
    memset(DIGIT_GATHERS, 0x80, sizeof(DIGIT_GATHERS))      # 0x80: a zero, not a character
    for point in range(16):
        for size in range(16):
            place = 15
            for index in range(size - 1, -1, -1):
                if index != point:
                    DIGIT_GATHERS[point][size][place] = index
                    place -= 1


_fill_tables()


def uses_registers() -> bool:
    """Whether numbers are read sixteen characters at once, or in words."""
    return USES_REGISTERS


def number_size(text: bytes, decimals: int) -> tuple[int, int]:
    """Test edge of ``read_digits``: (size, units); size 0 for what the general reader has to do."""
    cdef bytes padded = text + bytes(64)
    cdef int64_t units = 0
    cdef int64_t size = read_digits(padded, decimals, &units)
    return size, units
