"""Touches memory when it is made, so that the arc never meets a page for the first time.

The kernel hands out pages at the first write to each: a fault of half a microsecond, and of several
in a mapped file, where the file system wants to know. ``MAP_POPULATE`` does not help there: it
reads, and the first write of a shared file mapping still faults.
"""

from libc.stdint cimport int64_t

cdef extern from *:
    """
    #define WOW_PAGE_BYTES 4096
    static inline void wow_touch_pages(char* start, long long size) {
        for (long long at = 0; at < size; at += WOW_PAGE_BYTES) {
            volatile char* byte = start + at;
            *byte = *byte;
        }
    }
    """
    void touch_pages "wow_touch_pages"(char* start, int64_t size) noexcept nogil
