"""Reader of Binance WebSocket API messages, see the ``.pxd``."""

from libc.stdint cimport int64_t
from libc.string cimport memcmp

from ext.cursor cimport (
    Span,
    end_item,
    equals,
    expect,
    is_digit,
    read_integer,
    read_key,
    read_string,
    skip_space,
    skip_value,
)


cdef const char* read_message(
    const char* p, const char* end, Answer* answer, EventTexts* texts
) noexcept nogil:
    """Reads the object that starts here: the position behind it, NULL when it is not one.

    What it does not say stays as it was.
    """
    cdef Span key
    cdef bint is_last = False
    p = _open_object(p, end, &is_last)
    while p != NULL and not is_last:
        p = read_key(p, end, &key)
        if p == NULL:
            return NULL
        if equals(key, b"event", 5):
            answer.has_event = True
            p = _read_event(p, end, texts)
        elif equals(key, b"id", 2):
            p = _read_text(p, end, &answer.id)
        elif equals(key, b"status", 6):
            p = read_integer(p, end, &answer.status)
        elif equals(key, b"error", 5):
            p = _read_error(p, end, answer)
        else:
            p = skip_value(p, end)
        if p != NULL:
            p = end_item(p, end, b"}", &is_last)
    return p


cdef const char* _read_event(const char* p, const char* end, EventTexts* texts) noexcept nogil:
    cdef Span key
    cdef bint is_last = False
    p = _open_object(p, end, &is_last)
    while p != NULL and not is_last:
        p = read_key(p, end, &key)
        if p == NULL:
            return NULL
        p = _read_event_field(key.start[0] if key.size == 1 else 0, p, end, texts)
        if p != NULL:
            p = end_item(p, end, b"}", &is_last)
    return p


cdef const char* _read_event_field(
    char key, const char* p, const char* end, EventTexts* texts
) noexcept nogil:
    if key == b"e":
        return _read_text(p, end, &texts.name)
    if key == b"s":
        return _read_text(p, end, &texts.symbol)
    if key == b"c":
        return _read_text(p, end, &texts.client_id)
    if key == b"C":
        return _read_text(p, end, &texts.original_id)
    if key == b"S":
        return _read_text(p, end, &texts.side)
    if key == b"q":
        return _read_text(p, end, &texts.quantity)
    if key == b"p":
        return _read_text(p, end, &texts.price)
    if key == b"x":
        return _read_text(p, end, &texts.kind)
    if key == b"X":
        return _read_text(p, end, &texts.state)
    if key == b"l":
        return _read_text(p, end, &texts.last_quantity)
    if key == b"z":
        return _read_text(p, end, &texts.cumulative)
    if key == b"L":
        return _read_text(p, end, &texts.last_price)
    if key == b"n":
        return _read_text(p, end, &texts.fee)
    if key == b"N":
        return _read_text(p, end, &texts.fee_asset)
    if key == b"i":
        return _read_signed(p, end, &texts.order_id)
    if key == b"t":
        return _read_signed(p, end, &texts.trade_id)
    if key == b"T":
        return _read_signed(p, end, &texts.time_ms)
    if key == b"m":
        texts.is_maker = p < end and p[0] == b"t"
    return skip_value(p, end)


cdef const char* _read_error(const char* p, const char* end, Answer* answer) noexcept nogil:
    """``{"code","msg","data"}``; data is told of a cancelReplace."""
    cdef Span key
    cdef bint is_last = False
    p = _open_object(p, end, &is_last)
    while p != NULL and not is_last:
        p = read_key(p, end, &key)
        if p == NULL:
            return NULL
        if equals(key, b"data", 4) and p < end and p[0] == b"{":
            p = _read_halves(p, end, answer)
        else:
            p = _read_reason(key, p, end, &answer.code, answer)
        if p != NULL:
            p = end_item(p, end, b"}", &is_last)
    return p


cdef const char* _read_halves(const char* p, const char* end, Answer* answer) noexcept nogil:
    """What became of the two halves of a cancelReplace."""
    cdef Span key
    cdef Span text
    cdef bint is_last = False
    p = _open_object(p, end, &is_last)
    while p != NULL and not is_last:
        p = read_key(p, end, &key)
        if p == NULL:
            return NULL
        if equals(key, b"cancelResult", 12):
            p = _read_text(p, end, &text)
            answer.is_canceled = equals(text, b"SUCCESS", 7)
        elif equals(key, b"newOrderResult", 14):
            p = _read_text(p, end, &text)
            answer.is_placed = equals(text, b"SUCCESS", 7)
        elif equals(key, b"cancelResponse", 14) and p < end and p[0] == b"{":
            p = _read_half(p, end, answer)
        else:
            p = skip_value(p, end)
        if p != NULL:
            p = end_item(p, end, b"}", &is_last)
    return p


cdef const char* _read_half(const char* p, const char* end, Answer* answer) noexcept nogil:
    """The canceled order, or why it was not."""
    cdef Span key
    cdef bint is_last = False
    p = _open_object(p, end, &is_last)
    while p != NULL and not is_last:
        p = read_key(p, end, &key)
        if p == NULL:
            return NULL
        p = _read_reason(key, p, end, &answer.cancel_code, answer)
        if p != NULL:
            p = end_item(p, end, b"}", &is_last)
    return p


cdef const char* _read_reason(
    Span key, const char* p, const char* end, int64_t* code, Answer* answer
) noexcept nogil:
    """The member ``code`` or ``msg``; any other is skipped."""
    cdef Span text
    if equals(key, b"code", 4):
        return _read_signed(p, end, code)
    if equals(key, b"msg", 3):
        p = _read_text(p, end, &text)
        answer.is_restricted = answer.is_restricted or _is_restriction(text)
        return p
    return skip_value(p, end)


cdef inline const char* _open_object(const char* p, const char* end, bint* is_empty) \
        noexcept nogil:
    p = expect(p, end, b"{")
    if p == NULL:
        return NULL
    p = skip_space(p, end)
    is_empty[0] = p < end and p[0] == b"}"
    return p + 1 if is_empty[0] else p


cdef inline const char* _read_text(const char* p, const char* end, Span* text) noexcept nogil:
    """A string; any other value is skipped and leaves the text absent."""
    text.start = NULL
    text.size = 0
    if p < end and p[0] == b'"':
        return read_string(p, end, text)
    return skip_value(p, end)


cdef inline const char* _read_signed(const char* p, const char* end, int64_t* value) \
        noexcept nogil:
    cdef bint is_negative = p < end and p[0] == b"-"
    p += is_negative
    if p >= end or not is_digit(p[0]):
        return NULL
    p = read_integer(p, end, value)
    if is_negative:
        value[0] = -value[0]
    return p


cdef inline bint _is_restriction(Span text) noexcept nogil:
    """The message of a cancel that ``cancelRestrictions`` forbade: its code says less."""
    return text.size >= 22 and memcmp(text.start, b"Order was not canceled", 22) == 0
