"""Where the compiler put the fields of the records: the C side of ``tests/ext/test_layout.py``."""

cdef enum:
    MAX_STRUCT_BYTES = 4096         # of one record; the largest is under 1 KiB

cdef dict read_fields(str name, const char* memory)
