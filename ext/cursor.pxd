"""Reads JSON text and decimal numbers in place: no copy, no Python object.

A reader takes the position and the end of the text and returns the position behind what it read,
or NULL. Digits may be looked at up to 32 bytes past the end: every payload has
FRAME_PADDING_BYTES readable bytes behind it (picows keeps 256), and the end is checked after
each number. The rare branches stand out of line in ``cursor.pyx``.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp

from ext.digits cimport POWERS_OF_TEN, read_digits
from ext.word cimport WORD_BYTES, load_word, marked_bits, predicted, repeated, zero_marks

cdef enum:
    MAX_FAST_DIGITS = 18            # more digits than always fit in an int64: the general reader
    MAX_NESTING = 64                # deeper JSON is refused

cdef enum NumberStatus:
    NUMBER_OK = 0
    NUMBER_BAD = 1                  # not a non-negative decimal number, or beyond int64
    NUMBER_OFF_STEP = 2             # more precise than the step

cdef struct Span:                   # text lent from the frame; NULL start: absent
    const char* start
    Py_ssize_t size

cdef const char* skip_value(const char* p, const char* end) noexcept nogil
cdef const char* skip_escaped_string(const char* p, const char* end) noexcept nogil
cdef const char* read_decimal_general(
    const char* p, const char* end, int64_t decimals, int64_t* units, NumberStatus* status
) noexcept nogil
cdef int64_t read_time(Span text) noexcept nogil


cdef inline bint is_digit(char c) noexcept nogil:
    return <unsigned char>(c - 48) < 10


cdef inline const char* skip_space(const char* p, const char* end) noexcept nogil:
    while p < end and (p[0] == b" " or p[0] == b"\n" or p[0] == b"\r" or p[0] == b"\t"):
        p += 1
    return p


cdef inline const char* expect(const char* p, const char* end, char wanted) noexcept nogil:
    """Position behind ``wanted``, white space before it skipped; NULL when it is not there."""
    if p < end and p[0] == wanted:
        return p + 1
    p = skip_space(p, end)
    if p < end and p[0] == wanted:
        return p + 1
    return NULL


cdef inline const char* read_string(const char* p, const char* end, Span* text) noexcept nogil:
    """Contents of the string that starts here, escapes left as they stand."""
    cdef uint64_t word, marks
    p = expect(p, end, b'"')
    if p == NULL:
        return NULL
    text.start = p
    while p < end:
        word = load_word(p)
        marks = zero_marks(word ^ repeated(b'"')) | zero_marks(word ^ repeated(b"\\"))
        if marks == 0:
            p += WORD_BYTES
            continue
        p += predicted(marked_bits(marks) >> 3)
        if p >= end:
            return NULL
        if p[0] == b"\\":
            p = skip_escaped_string(p, end)
            text.size = p - 1 - text.start if p != NULL else 0
            return p
        text.size = p - text.start
        return p + 1
    return NULL


cdef inline const char* read_key(const char* p, const char* end, Span* key) noexcept nogil:
    """Name of an object's member and its colon: the position of the value."""
    p = read_string(p, end, key)
    if p == NULL:
        return NULL
    p = expect(p, end, b":")
    return skip_space(p, end) if p != NULL else NULL


cdef inline const char* open_array(const char* p, const char* end, bint* is_empty) noexcept nogil:
    """The ``[`` of an array: the position of its first element, or behind an empty one."""
    p = expect(p, end, b"[")
    if p == NULL:
        return NULL
    p = skip_space(p, end)
    is_empty[0] = p < end and p[0] == b"]"
    return p + 1 if is_empty[0] else p


cdef inline const char* end_item(
    const char* p, const char* end, char closer, bint* is_last
) noexcept nogil:
    """The comma behind a member or element, or the ``closer`` of what holds it."""
    p = skip_space(p, end)
    if p >= end:
        return NULL
    is_last[0] = p[0] == closer
    return p + 1 if is_last[0] or p[0] == b"," else NULL


cdef inline bint equals(Span text, const char* other, Py_ssize_t size) noexcept nogil:
    return text.size == size and memcmp(text.start, other, size) == 0


cdef inline const char* read_decimal(
    const char* p, const char* end, int64_t decimals, int64_t* units, NumberStatus* status
) noexcept nogil:
    """Reads a bare decimal as a whole number of 10**-decimals: exactly, or not at all.

    Trailing zeros beyond ``decimals`` are allowed; another digit there is NUMBER_OFF_STEP.
    ``decimals`` is 0 to 18. Returns the position behind the number, NULL unless NUMBER_OK.
    """
    cdef int64_t size = read_digits(p, decimals, units)
    if size == 0 or p + size > end or p[size] | 0x20 == b"e":
        return read_decimal_general(p, end, decimals, units, status)
    status[0] = NUMBER_OK
    return p + size


cdef inline const char* read_quoted_decimal(
    const char* p, const char* end, int64_t decimals, int64_t step, int64_t* steps,
    NumberStatus* status
) noexcept nogil:
    """Reads ``"<decimal>"`` as a whole number of steps of ``step`` times 10**-decimals.

    Returns NULL with NUMBER_OK left in ``status`` when there is no string here (a JSON type
    error), and NULL with the reason when the number cannot be used.
    """
    cdef int64_t size
    status[0] = NUMBER_OK
    p = expect(p, end, b'"')
    if p == NULL:
        return NULL
    size = read_digits(p, decimals, steps)
    if size != 0 and p[size] == b'"':
        p += size
    else:
        p = read_decimal_general(p, end, decimals, steps, status)
        if p == NULL:
            return NULL
    if p >= end or p[0] != b'"':
        status[0] = NUMBER_BAD
        return NULL
    if step != 1:
        if steps[0] % step != 0:
            status[0] = NUMBER_OFF_STEP
            return NULL
        steps[0] = steps[0] // step
    return p + 1


cdef inline uint64_t other_marks(uint64_t values) noexcept nogil:
    """Marks of the bytes above 9; the lowest mark is right, those above it need not be."""
    return ((values + <uint64_t>0x7676767676767676) | values) & <uint64_t>0x8080808080808080


cdef inline int64_t eight_digits(uint64_t values) noexcept nogil:
    """The number whose digits are these bytes, the first one lowest."""
    values = (values * 10 + (values >> 8)) & <uint64_t>0x00FF00FF00FF00FF
    values = (values * 100 + (values >> 16)) & <uint64_t>0x0000FFFF0000FFFF
    return <int64_t>((values * 10000 + (values >> 32)) & <uint64_t>0x00000000FFFFFFFF)


cdef inline const char* read_integer(const char* p, const char* end, int64_t* value) noexcept nogil:
    """Reads a bare non-negative integer; NULL when there is none or it has 19 digits or more."""
    p = skip_space(p, end)
    cdef const char* start = p
    cdef uint64_t word = load_word(p) ^ repeated(b"0")
    cdef uint64_t marks = other_marks(word)
    cdef long count
    value[0] = 0
    while marks == 0 and p - start < 2 * WORD_BYTES:
        value[0] = value[0] * 100_000_000 + eight_digits(word)
        p += WORD_BYTES
        word = load_word(p) ^ repeated(b"0")
        marks = other_marks(word)
    if marks == 0:
        return NULL
    count = predicted(marked_bits(marks) >> 3)
    if count > 0:
        value[0] = value[0] * POWERS_OF_TEN[count] + eight_digits(word << (64 - 8 * count))
        p += count
    if p - start > MAX_FAST_DIGITS or p > end:
        return NULL
    return p if p > start else NULL
