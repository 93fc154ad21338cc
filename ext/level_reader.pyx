"""Reads runs of levels in one shape, see the ``.pxd``."""

from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memcmp, memcpy, memset

from ext.cursor cimport is_digit
from ext.digits cimport POWERS_OF_TEN, USES_REGISTERS
from ext.wire cimport BookDelta

cdef enum:
    ABSENT = 0x80                   # of a gather: no digit there
    ANYTHING = 0xFF                 # limit of what lies behind the number


cdef const char* read_usual_levels(
    const char* p, const char* end, const LevelShape* shape, int64_t side,
    BookDelta** deltas, const BookDelta* limit
) noexcept nogil:
    """Reads levels from the first digit of a price on: behind the bracket of the last, or NULL.

    ``deltas`` moves on behind the last one read and stops at ``limit``. Looks at 64 bytes.
    """
    cdef const NumberShape* price = &shape.prices[count_digits(p)]
    cdef const NumberShape* quantity = &shape.quantities[1]
    cdef BookDelta* delta = deltas[0]
    cdef const char* behind = NULL
    cdef const char* q
    while delta != limit:
        if not read_number(p, price, &delta.price_ticks):
            price = &shape.prices[count_digits(p)]
            if not read_number(p, price, &delta.price_ticks):
                break
        q = p + price.size
        if not read_number(q, quantity, &delta.quantity_lots):
            quantity = &shape.quantities[count_digits(q)]
            if not read_number(q, quantity, &delta.quantity_lots):
                break
        q += quantity.size
        if q > end:
            break
        delta.side = side
        delta += 1
        behind = q
        if end - q < 3 or memcmp(q, b',["', 3) != 0:
            break
        p = q + 3
    deltas[0] = delta
    return behind


cdef void learn_levels(
    LevelShape* shape, const char* price, int64_t price_decimals, const char* quantity,
    int64_t quantity_decimals
) noexcept nogil:
    """Takes the shape of a level that was read, from the first digits of its two numbers."""
    shape.is_known = USES_REGISTERS \
        and _learn_numbers(shape.prices, price, price_decimals, 1, b'","', 3) \
        and _learn_numbers(shape.quantities, quantity, quantity_decimals, 0, b'"]', 2)


cdef bint _learn_numbers(
    NumberShape* shapes, const char* text, int64_t decimals, int64_t least, const char* behind,
    int64_t behind_size
) noexcept nogil:
    """Shapes of the number at ``text``, but for its digits in front of the point; whether it has
    one: not an exponent, nor fewer decimals than the step."""
    cdef int64_t shown = 0
    cdef int64_t digits
    while is_digit(text[0]):
        text += 1
    cdef bint has_point = text[0] == b"."
    if has_point:
        while is_digit(text[1 + shown]):
            shown += 1
    if text[has_point + shown] != b'"' or shown < decimals:
        return False
    for digits in range(MAX_USUAL_DIGITS + 1):
        _shape_number(&shapes[digits], digits, decimals, shown, least, behind, behind_size)
    return True


cdef void _shape_number(
    NumberShape* number, int64_t digits, int64_t decimals, int64_t shown, int64_t least,
    const char* behind, int64_t behind_size
) noexcept nogil:
    """``digits`` before the point, ``shown`` behind it, all but ``decimals`` of these zeros."""
    cdef int64_t point = 1 if shown > 0 else 0
    cdef int64_t at
    cdef int64_t place = MAX_USUAL_DIGITS - digits - decimals
    memset(number, 0, sizeof(NumberShape))
    number.minimum = INT64_MAX          # no number is of this shape
    if digits == 0 or place < 0 or digits + point + shown + behind_size > USUAL_BYTES:
        return
    number.size = digits + point + shown
    memset(number.gather, ABSENT, sizeof(number.gather))
    memset(number.limits, ANYTHING, USUAL_BYTES)
    for at in range(number.size):
        number.expected[at] = b"0"
        number.limits[at] = 0
        if point and at == digits:
            number.expected[at] = b"."
        elif at < digits + point + decimals:
            number.limits[at] = 9
            number.gather[place] = at
            place += 1
    memcpy(number.expected + number.size, behind, behind_size)
    memset(number.limits + number.size, 0, behind_size)
    number.size += behind_size
    number.minimum = POWERS_OF_TEN[digits - 1 + decimals] if digits > 1 else least


def usual_levels(
    text: bytes,
    price_decimals: int,
    quantity_decimals: int,
    first: bytes = b"",
    behind: bytes = b"",
) -> tuple[list[tuple[int, int]], int]:
    """Test edge: the levels of a run that starts at a price's first digit, and the bytes read.

    The shape is that of the level at the start of ``first``, by default of the run itself. What
    lies ``behind`` the text must not be read.
    """
    cdef bytes padded = text + behind + bytes(64)
    cdef bytes learned = (first or text) + bytes(64)
    cdef const char* p = padded
    cdef const char* price = learned
    cdef const char* reached
    cdef BookDelta deltas[64]
    cdef BookDelta* next_delta = deltas
    cdef LevelShape shape
    learn_levels(&shape, price, price_decimals, price + learned.find(b'","') + 3,
                 quantity_decimals)
    if not shape.is_known:
        return [], 0
    reached = read_usual_levels(p, p + len(text), &shape, 1, &next_delta, deltas + 64)
    levels = [(d.price_ticks, d.quantity_lots) for d in deltas[:next_delta - deltas]]
    return levels, reached - p if reached != NULL else 0
