"""Keeps compiled hooks on disk, so that the second start is fast.

Numba's own cache misses a change in any file but the function's own, which must not happen to a
strategy. Here the key is everything that the machine code depends on: the hook and all functions
that it reaches, with their modules and files, the values of the globals that they read, the record
layouts, the versions and the processor. A global that is not understood means no cache, never a
guess. (A Numba ``@overload`` in a file that the hook does not name is the one thing not seen.)

``WOW_KERNEL_CACHE`` names the directory, or is ``off``; the default is the user's cache directory.
"""

import enum
import hashlib
import os
import platform
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import binding

from engine.kernel import kernel_entry

# About 100 KiB each; the oldest makes room.
MAX_CACHED_HOOKS = 256

_ENTRY_FILE = Path(kernel_entry.__file__)
_COMPILER_FILES = [_ENTRY_FILE.with_name(f"{n}.py") for n in ("kernels", "kernel_function")]
# Their code changes with their version, which is part of the key.
_LIBRARIES = frozenset({"builtins", "cmath", "math", "numba", "numpy", "random"})
_PLAIN = (bool, int, float, complex, str, bytes, types.NoneType, np.generic, np.dtype)


class _NotUnderstood(Exception):
    pass


def kernel_key(function: Callable[..., Any], *context: object) -> str:
    """Hash of all that the code of ``function`` depends on; empty when that cannot be known."""
    versions = [platform.python_version(), *map(version, ("llvmlite", "numba", "numpy"))]
    settings = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_"))
    # A directory may be shared, or move with its disk to another machine.
    processor = (binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())
    digest = hashlib.sha256(repr((versions, processor, settings, context)).encode())
    try:
        for part in _parts(function):
            digest.update(hashlib.sha256(part).digest())
        for file in (_ENTRY_FILE, *_COMPILER_FILES):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    except (_NotUnderstood, OSError):
        return ""
    return digest.hexdigest()[:32]


def entry_file(key: str) -> Path | None:
    """The file that Numba keeps the code of ``key`` beside; None without a key or a cache."""
    directory = _directory()
    if not key or directory is None:
        return None
    file = directory / key / _ENTRY_FILE.name
    try:
        if not file.exists():
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make_room(directory)
            file.parent.mkdir(exist_ok=True, mode=0o700)
            draft = file.with_suffix(f".{os.getpid()}")
            draft.write_bytes(_ENTRY_FILE.read_bytes())
            draft.rename(file)
        os.utime(file.parent)
    except OSError:
        return None  # a read-only or full disk: slower, not broken
    return file


def is_cached(file: Path | None) -> bool:
    """Whether code was kept there before; it is then known to compile."""
    return file is not None and any(file.parent.glob("__pycache__/*.nbi"))


def forget(file: Path) -> None:
    """Removes what was kept, because it cannot be read."""
    shutil.rmtree(file.parent, ignore_errors=True)


def make_entry(user: Any, file: Path | None) -> Callable[..., None]:
    """The function of ``kernel_entry`` around ``user``, as if it stood in ``file``."""
    namespace: dict[str, Any] = {"__name__": kernel_entry.__name__}
    code = compile(_ENTRY_FILE.read_bytes(), str(file or _ENTRY_FILE), "exec")
    exec(code, namespace)  # tidy-ok: our own file, under the name that Numba keys its cache on
    namespace["user"] = user
    entry: Callable[..., None] = namespace["entry"]
    return entry


def reached_functions(function: Callable[..., Any]) -> list[types.FunctionType]:
    """``function`` and all functions that it calls by a global name, save those of libraries."""
    waiting: list[Any] = [function]
    found: list[types.FunctionType] = []
    for value in waiting:
        current = getattr(value, "py_func", value)  # of a Numba dispatcher
        package = str(getattr(current, "__module__", None)).split(".")[0]
        is_library = package in _LIBRARIES or package in sys.stdlib_module_names
        if not isinstance(current, types.FunctionType) or is_library or current in found:
            continue
        found.append(current)
        named = (current.__globals__.get(name) for name in _names(current.__code__))
        cells = (cell.cell_contents for cell in current.__closure__ or ())
        waiting += [*named, *cells]
    return found


def _directory() -> Path | None:
    given = os.environ.get("WOW_KERNEL_CACHE", "")
    if given:
        return None if given == "off" else Path(given).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "wow-engine" / "kernels"
    except RuntimeError:  # a service user without a home
        return None


def _make_room(directory: Path) -> None:
    kept = sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in kept[: max(0, len(kept) + 1 - MAX_CACHED_HOOKS)]:
        shutil.rmtree(path, ignore_errors=True)


def _parts(function: Callable[..., Any]) -> Iterator[bytes]:
    waiting: list[Any] = [function]
    seen = set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        code = current.__code__
        # Numba finds kept functions again by the name of their module.
        yield f"{current.__module__}.{code.co_qualname}".encode()
        yield Path(code.co_filename).read_bytes()
        cells = [cell.cell_contents for cell in current.__closure__ or ()]
        read = [current.__globals__[n] for n in _names(code) if n in current.__globals__]
        for value in (current.__defaults__, current.__kwdefaults__, *cells, *read):
            yield from _value(value, waiting)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _value(value: Any, waiting: list[Any]) -> Iterator[bytes]:
    function = getattr(value, "py_func", value)  # of a Numba dispatcher
    if str(getattr(value, "__module__", None)).split(".")[0] in _LIBRARIES:
        yield f"{value.__module__}.{getattr(value, '__qualname__', value)}".encode()
    elif isinstance(function, types.FunctionType):
        waiting.append(function)
    elif isinstance(value, types.ModuleType) and value.__name__.split(".")[0] in _LIBRARIES:
        yield value.__name__.encode()
    elif isinstance(value, enum.EnumMeta):
        yield repr(list(value)).encode()
    elif isinstance(value, _PLAIN):
        yield f"{type(value)}{value!r}".encode()
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield repr((value.dtype, value.shape, value.strides)).encode() + value.tobytes()
    elif isinstance(value, tuple):
        for item in value:
            yield from _value(item, waiting)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield str(name).encode()
            yield from _value(item, waiting)
    else:
        raise _NotUnderstood
