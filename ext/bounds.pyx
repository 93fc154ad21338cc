"""Home of the bounds at run time: ``ext.bounds.Bound``, see the ``.pxd``."""
