"""An execution report from its fields by name, for reports that did not come as a message."""

from ext.wire cimport ExecutionReport

cdef ExecutionReport fill_report(dict fields) except *
