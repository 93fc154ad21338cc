"""Memory order for the records that another process reads (C11 release and acquire fences)."""

from libc.stdint cimport int64_t

cdef extern from *:
    """
    #define wow_release_fence() __atomic_thread_fence(__ATOMIC_RELEASE)
    #define wow_acquire_fence() __atomic_thread_fence(__ATOMIC_ACQUIRE)
    #define wow_read_word(word) __atomic_load_n(word, __ATOMIC_ACQUIRE)
    """
    void release_fence "wow_release_fence"() noexcept nogil
    void acquire_fence "wow_acquire_fence"() noexcept nogil
    int64_t read_word "wow_read_word"(const int64_t* word) noexcept nogil
