"""Home of the enumerations at run time, see the ``.pxd``."""
