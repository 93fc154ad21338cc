"""The order table as it outlives a process: taken out, put back, and rebuilt from records.

Requests and reports are applied by the code that applied them first, so a table that is rebuilt
is the one that was lost.
"""

cimport cython

from ext.codecs.fix_report cimport FixReportDecoder
from ext.orders cimport OrderTable
from ext.wire cimport ExecutionReport


@cython.final
cdef class OrderHistory:
    cdef readonly OrderTable orders
    cdef FixReportDecoder decoder
    cdef ExecutionReport last_applied   # what the last recorded report was read as
