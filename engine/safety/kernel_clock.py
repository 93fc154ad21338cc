"""What the kernel says of its clock's error: adjtimex(2), read only."""

import ctypes
import ctypes.util

UNSYNCHRONISED = 0x0040  # STA_UNSYNC of linux/timex.h
MICROSECOND_NS = 1000


class _Timex(ctypes.Structure):
    """``struct timex`` of linux/timex.h up to ``maxerror``; the rest is room for the kernel."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maximum_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    ]


def read_clock_error_ns() -> int:
    """The largest error that the kernel expects of its clock, in nanoseconds: it grows by 500 parts
    per million while no daemon sets it. -1: the kernel does not say."""
    library = ctypes.CDLL(ctypes.util.find_library("c") or None, use_errno=True)
    answer = _Timex()  # modes 0: nothing is changed
    if library.adjtimex(ctypes.byref(answer)) < 0:
        return -1
    return int(answer.maximum_error) * MICROSECOND_NS
