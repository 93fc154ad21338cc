"""What the engine does to the pipeline outside the arc of a frame or a report.

Commands of the control plane (pause, cancel all, books that cannot be trusted), timers, reports
that were made here, and bytes that come from Python. Each is recorded as an input of its own, so
that a replay does it too. The steps that they begin stand in ``pipeline``.
"""

cimport cython
from libc.stdint cimport int64_t

from ext.pipeline_parts cimport PipelineParts
from ext.wire cimport ExecutionReport, FeedStatus, Intent, Intents, Verdict


cdef class PipelineCommands(PipelineParts):
    cdef FeedStatus receive_frame(
        self, const char* payload, Py_ssize_t size, int64_t receive_time_ns
    ) noexcept nogil
    cdef void decide_pending(self, int64_t receive_time_ns) noexcept nogil
    cdef void _act(self, int64_t strategy, Intents* intents, int64_t receive_time_ns) \
        noexcept nogil
    cdef Verdict _submit(self, int64_t strategy, Intent* intent, int64_t time_ns) noexcept nogil
    cdef int receive_report(
        self, const ExecutionReport* report, int64_t receive_time_ns, const char* message,
        int64_t size, int64_t format
    ) noexcept nogil

    @cython.final
    cdef void _pull_orders(self, int64_t receive_time_ns, int64_t quiet_ns) noexcept nogil

    @cython.final
    cdef void _fall(self, int64_t instrument, int64_t reason, int64_t time_ns) noexcept nogil
