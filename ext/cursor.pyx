"""The rare branches of ``cursor.pxd``, out of line, and a Python edge for tests."""

from libc.stdint cimport int64_t, uint64_t

from ext.digits cimport POWERS_OF_TEN
from ext.errors import UsageError
from ext.word cimport load_word

cdef enum:
    MAX_EXPONENT_DIGITS = 4         # no venue sends more; the value would be out of range anyway
    MAX_NUMBER_BYTES = 64           # longer text is not a price
    FIRST_YEAR = 1970               # no venue is older than the epoch
    LAST_YEAR = 2261                # nanoseconds of a later one do not fit in an int64


cdef const char* skip_escaped_string(const char* p, const char* end) noexcept nogil:
    """Behind the closing quote of the string whose first backslash is at ``p``."""
    while p < end:
        if p[0] == b"\\":
            p += 2
        elif p[0] == b'"':
            return p + 1
        else:
            p += 1
    return NULL


cdef const char* skip_value(const char* p, const char* end) noexcept nogil:
    """Behind the JSON value at ``p``, whatever it is; NULL when it does not end."""
    cdef Span text
    cdef int depth = 0
    cdef char closers[MAX_NESTING]
    p = skip_space(p, end)
    while p < end:
        if p[0] == b'"':
            p = read_string(p, end, &text)
            if p == NULL:
                return NULL
        elif p[0] == b"{" or p[0] == b"[":
            if depth == MAX_NESTING:
                return NULL
            closers[depth] = b"}" if p[0] == b"{" else b"]"
            depth += 1
            p += 1
            continue
        elif p[0] == b"}" or p[0] == b"]":
            if depth == 0 or closers[depth - 1] != p[0]:
                return NULL
            depth -= 1
            p += 1
        elif depth > 0 and (p[0] == b"," or p[0] == b":" or p[0] == b" " or p[0] == b"\n"
                            or p[0] == b"\r" or p[0] == b"\t"):
            p += 1
            continue
        else:
            p = _skip_word(p, end)
            if p == NULL:
                return NULL
        if depth == 0:
            return p
    return NULL


cdef const char* _skip_word(const char* p, const char* end) noexcept nogil:
    cdef const char* start = p
    while p < end and (is_digit(p[0]) or p[0] == b"-" or p[0] == b"+" or p[0] == b"."
                       or (b"a" <= p[0] and p[0] <= b"z") or p[0] == b"E"):
        p += 1
    return p if p > start else NULL


cdef const char* read_decimal_general(
    const char* p, const char* end, int64_t decimals, int64_t* units, NumberStatus* status
) noexcept nogil:
    """Any JSON number without a minus sign: exponents and long digit strings, still exact."""
    cdef const char* start = p
    cdef int64_t scale = decimals       # power of ten still owed to the digits read
    cdef int64_t exponent = 0
    cdef int64_t value = 0
    cdef bint has_point = False
    cdef bint exponent_is_negative = False
    cdef int digits = 0
    cdef int zeros = 0                  # trailing zeros held back: they may be past the step
    cdef int exponent_digits = 0
    status[0] = NUMBER_BAD
    while p < end and p - start < MAX_NUMBER_BYTES:
        if p[0] == b"." and not has_point and digits > 0:
            has_point = True
        elif p[0] == b"0":
            zeros += 1
            digits += 1
            scale -= has_point
        elif is_digit(p[0]):
            zeros += 1
            while zeros > 0:
                if value > (<int64_t>0x7FFFFFFFFFFFFFFF - 9) // 10:
                    return NULL
                value *= 10
                zeros -= 1
            value += p[0] - 48
            digits += 1
            scale -= has_point
        else:
            break
        p += 1
    if digits == 0 or (p - 1)[0] == b"." or (start[0] == b"0" and digits > 1 and start[1] != b"."):
        return NULL
    if p < end and (p[0] == b"e" or p[0] == b"E"):
        p += 1
        if p < end and (p[0] == b"-" or p[0] == b"+"):
            exponent_is_negative = p[0] == b"-"
            p += 1
        while p < end and is_digit(p[0]):
            exponent = exponent * 10 + (p[0] - 48)
            exponent_digits += 1
            if exponent_digits > MAX_EXPONENT_DIGITS:
                return NULL
            p += 1
        if exponent_digits == 0:
            return NULL
    if p >= end:
        return NULL
    scale += zeros + (-exponent if exponent_is_negative else exponent)
    if value == 0:
        scale = 0
    while scale > 0:
        if value > (<int64_t>0x7FFFFFFFFFFFFFFF) // 10:
            return NULL
        value *= 10
        scale -= 1
    while scale < 0:
        if value % 10 != 0:
            status[0] = NUMBER_OFF_STEP
            return NULL
        value //= 10
        scale += 1
    units[0] = value
    status[0] = NUMBER_OK
    return p


cdef inline int64_t _two_digits(const char* p) noexcept nogil:
    if not is_digit(p[0]) or not is_digit(p[1]):
        return -1
    return (p[0] - 48) * 10 + (p[1] - 48)


cdef inline int64_t _days_of_month(int64_t year, int64_t month) noexcept nogil:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


# The last minute read, by its sixteen characters: nearly every time is of the same one. Nothing
# else depends on it.
cdef uint64_t _minute_date = 0
cdef uint64_t _minute_clock = 0
cdef int64_t _minute_ns = -1


cdef int64_t _read_minute(const char* p) noexcept nogil:
    """``YYYY-MM-DDTHH:MM`` → ns since the epoch, or -1."""
    cdef int64_t century = _two_digits(p)
    cdef int64_t year = _two_digits(p + 2)
    cdef int64_t month = _two_digits(p + 5)
    cdef int64_t day = _two_digits(p + 8)
    cdef int64_t hour = _two_digits(p + 11)
    cdef int64_t minute = _two_digits(p + 14)
    cdef int64_t days
    if p[4] != b"-" or p[7] != b"-" or p[10] != b"T" or p[13] != b":" \
            or century < 0 or year < 0 or month < 1 or month > 12 or day < 1 or day > 31 \
            or hour < 0 or hour > 23 or minute < 0 or minute > 59:
        return -1
    year += century * 100
    if year < FIRST_YEAR or year > LAST_YEAR or day > _days_of_month(year, month):
        return -1
    if month <= 2:                      # days from civil: years start in March
        year -= 1
        month += 9
    else:
        month -= 3
    days = year * 365 + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1
    days -= 719468
    return ((days * 24 + hour) * 60 + minute) * 60 * 1_000_000_000


cdef int64_t read_time(Span text) noexcept nogil:
    """RFC 3339 in UTC with 0 to 9 decimals (``2021-04-17T16:43:37.077621Z``) → ns, or -1.

    Years 1970 to 2261 of the Gregorian calendar; a leap second (60) counts as the next second.
    """
    global _minute_date, _minute_clock, _minute_ns
    cdef const char* p = text.start
    cdef int64_t second, nanoseconds
    cdef int64_t digits = text.size - 21
    if text.size < 20 or p[16] != b":" or p[text.size - 1] != b"Z":
        return -1
    if load_word(p) != _minute_date or load_word(p + 8) != _minute_clock or _minute_ns < 0:
        _minute_ns = _read_minute(p)
        _minute_date = load_word(p)
        _minute_clock = load_word(p + 8)
        if _minute_ns < 0:
            return -1
    second = _two_digits(p + 17)
    if second < 0 or second > 60:
        return -1
    nanoseconds = _minute_ns + second * 1_000_000_000
    if text.size == 20:
        return nanoseconds
    if p[19] != b"." or digits < 1 or digits > 9:
        return -1
    second = _read_fraction(p + 20, digits)
    return nanoseconds + second if second >= 0 else -1


cdef inline int64_t _read_fraction(const char* p, int64_t digits) noexcept nogil:
    """One to nine digits of a fraction of a second in ns, or -1."""
    cdef int64_t nanoseconds = 0
    if not is_digit(p[0]) or read_integer(p, p + digits, &nanoseconds) != p + digits:
        return -1
    return nanoseconds * POWERS_OF_TEN[9 - digits]


def decimal_to_steps(text: str, decimals: int, step: int) -> int | None:
    """Test edge of ``read_quoted_decimal``: steps, or None when the text cannot be used."""
    if not 0 <= decimals <= 18 or step < 1:
        raise UsageError(f"decimals was {decimals}, step {step}; use 0 to 18 and at least 1")
    cdef bytes quoted = b'"' + text.encode() + b'"'
    cdef bytes padded = quoted + bytes(64)
    cdef const char* p = padded
    cdef int64_t steps = 0
    cdef NumberStatus status
    cdef const char* end = p + len(quoted)
    if read_quoted_decimal(p, end, decimals, step, &steps, &status) != end:
        return None
    return steps


def time_to_ns(text: str) -> int:
    """Test edge of ``read_time``: nanoseconds since the epoch, -1 when it is not a time."""
    cdef bytes encoded = text.encode()
    cdef Span span
    span.start = encoded
    span.size = len(encoded)
    return read_time(span)


def value_size(text: bytes) -> int:
    """Test edge of ``skip_value``: bytes of the JSON value at the start, -1 when it is none."""
    cdef const char* p = text
    cdef const char* behind = skip_value(p, p + len(text))
    return behind - p if behind != NULL else -1
