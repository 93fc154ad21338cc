"""Fills execution reports, see the ``.pxd``."""

import numpy as np

from libc.string cimport memcpy

from ext import dtypes
from ext.errors import UsageError
from ext.wire cimport ExecutionReport

# What a report may leave open; every other number is 0 when it is not given.
ABSENT = ("order_quantity_lots", "price_ticks", "cumulative_lots", "leaves_lots",
          "last_price_ticks", "last_quantity_lots")


cdef ExecutionReport fill_report(dict fields) except *:
    """The report; UsageError names a field that it does not have, or that is missing."""
    cdef ExecutionReport report
    cdef bytes text
    cdef const char* start
    names = dtypes.EXECUTION_REPORT.names
    unknown = sorted(set(fields) - set(names))
    if unknown:
        raise UsageError(f"a report has no {', '.join(unknown)}; use {', '.join(names)}")
    if "execution_type" not in fields:
        raise UsageError("a report needs execution_type")
    record = np.zeros(1, dtypes.EXECUTION_REPORT)
    for name in ABSENT:
        record[name] = -1
    for name, value in fields.items():
        record[name] = value
    text = record.tobytes()
    start = text
    memcpy(&report, start, sizeof(ExecutionReport))
    return report
