"""Builds the compiled kernel: one extension per ``ext/**/*.pyx``, and the loops of the benchmarks.

Everything else about the project stands in ``pyproject.toml``. ``WOW_BUILD`` chooses the mode:

* ``release`` (default): optimised, no bounds checks;
* ``portable``: release without SSE4.1, for x86-64 processors that lack it (before 2008);
* ``debug``: bounds checks, C assertions on, no optimisation;
* ``annotate``: release, plus an HTML page per module under ``build/cython``.
"""

import os
import platform
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

MODE = os.environ.get("WOW_BUILD", "release")
if MODE not in {"release", "portable", "debug", "annotate"}:
    raise SystemExit(f"WOW_BUILD was {MODE!r}; use release, portable, debug or annotate")
DEBUG = MODE == "debug"

COMPILE_ARGUMENTS = ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unused-function"]
COMPILE_ARGUMENTS += ["-O0", "-g", "-UNDEBUG"] if DEBUG else ["-O3", "-fno-plt"]
if platform.machine() in {"x86_64", "AMD64"} and MODE != "portable":
    COMPILE_ARGUMENTS += ["-msse4.1", "-mpopcnt"]

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "binding": True,
    "auto_pickle": False,
    "autotestdict": False,
    "embedsignature": False,
}


def find_extensions() -> list[Extension]:
    """One extension per source file, named by its path."""
    sources = sorted([*Path("ext").rglob("*.pyx"), *Path("bench").glob("*.pyx")])
    return [
        Extension(
            ".".join(source.with_suffix("").parts),
            [str(source)],
            include_dirs=[numpy.get_include()],
            extra_compile_args=COMPILE_ARGUMENTS,
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        )
        for source in sources
    ]


setup(
    ext_modules=cythonize(
        find_extensions(),
        build_dir="build/cython",
        compiler_directives=DIRECTIVES,
        annotate=MODE == "annotate",
        nthreads=os.cpu_count() or 1,
    )
)
