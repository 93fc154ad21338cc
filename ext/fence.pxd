"""Memory order for the records that another process reads (C11 release and acquire fences)."""

cdef extern from *:
    """
    #define wow_release_fence() __atomic_thread_fence(__ATOMIC_RELEASE)
    #define wow_acquire_fence() __atomic_thread_fence(__ATOMIC_ACQUIRE)
    """
    void release_fence "wow_release_fence"() noexcept nogil
    void acquire_fence "wow_acquire_fence"() noexcept nogil
