"""How many messages went out lately: the times of the newest, in a ring whose size is a power of
two."""

from libc.stdint cimport int64_t


cdef inline void note_message(int64_t* times_ns, int64_t size, int64_t count, int64_t time_ns) \
        noexcept nogil:
    """Keeps the time of a message; ``count`` went out before it."""
    times_ns[count & (size - 1)] = time_ns


cdef inline bint is_within_rate(
    const int64_t* times_ns, int64_t size, int64_t count, int64_t allowed, int64_t window_ns,
    int64_t time_ns
) noexcept nogil:
    """Whether fewer than ``allowed`` of ``count`` messages went out in the ``window_ns`` before
    ``time_ns``; ``allowed`` is 1 to ``size``."""
    if count < allowed:
        return True
    return time_ns - times_ns[(count - allowed) & (size - 1)] >= window_ns
