"""The version of the engine that runs."""

from importlib.metadata import PackageNotFoundError, version


def read_version() -> str:
    """As "0.1.0", or "(not installed)"."""
    try:
        return version("wow-engine")
    except PackageNotFoundError:
        return "(not installed)"
