"""Makes the enum of the ``.pxd`` importable from Python."""
