"""Says in one line why a hook does not compile: where it stands in the strategist's file, and why.

Numba's own messages run over pages, print whole record types, and for an unknown field are a bare
``KeyError``.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from numba import types

from engine.kernel.strategy_parameters import nearest
from engine.strategy import Strategy

# Lines of a Numba message that carry no reason.
_NOISE = re.compile(
    r"Failed in nopython|During:|File \"|There (is|are) \d|- Of which|Overload|With"
)
_OPCODES = {
    "IMPORT_NAME": "a hook cannot import; import at the top of the file",
    "LOAD_BUILD_CLASS": "a hook cannot define a class",
}
_PLACE = re.compile(r"(?:Raised from|at|File) \"?([^\s\"]+\.py)\"?,? (?:line |\()(\d+)")


def explain_compile_error(
    strategy: type[Strategy], hook: str, error: Exception, records: Mapping[str, Any]
) -> str:
    """``Trend.on_book does not compile, /path/trend.py line 12: <reason>``."""
    function = strategy.hooks()[hook]
    if type(error) is KeyError and error.args and isinstance(error.args[0], str):
        where, reason = _explain_field(function, error.args[0], records)
    else:
        where = f"{function.__code__.co_filename} line {_line_of(function, error)}"
        reason = _reason_of(error, records)
    return f"{strategy.__name__}.{hook} does not compile, {where}: {reason}"


def _explain_field(
    function: Callable[..., None], name: str, records: Mapping[str, Any]
) -> tuple[str, str]:
    # Numba keeps no place for an unknown field: the strategist's source is searched for it.
    known = {field for record in _walk(records.values()) for field in record.fields}
    file, line = function.__code__.co_filename, function.__code__.co_firstlineno
    for candidate in _with_helpers(function):
        found = _attribute_line(candidate, name)
        if found is not None:
            file, line = candidate.__code__.co_filename, found
            break
    return f"{file} line {line}", f"no record has a field {name!r}{_short_hint(name, known)}"


def _short_hint(name: str, known: set[str]) -> str:
    hint = nearest(name, known)
    return hint if "did you mean" in hint else ""


def _attribute_line(function: Callable[..., None], name: str) -> int | None:
    try:
        lines, first = inspect.getsourcelines(function)
    except OSError:
        return None
    for node in ast.walk(ast.parse(textwrap.dedent("".join(lines)))):
        if isinstance(node, ast.Attribute) and node.attr == name:
            return first + node.lineno - 1
    return None


def _with_helpers(function: Callable[..., None]) -> list[Callable[..., None]]:
    found = [function]
    for current in found:
        for name in current.__code__.co_names:
            helper = current.__globals__.get(name)
            if isinstance(helper, FunctionType) and helper not in found:
                found.append(helper)
    return found


def _walk(records: Any) -> Iterator[Any]:
    for record in records:
        yield record
        for field in record.fields.values():
            is_array = isinstance(field.type, types.NestedArray)
            inner = field.type.dtype if is_array else field.type
            if isinstance(inner, types.Record):
                yield from _walk([inner])


def _line_of(function: Callable[..., None], error: Exception) -> int:
    code = function.__code__
    places = [(path, int(line)) for path, line in _PLACE.findall(str(error))]
    location = getattr(error, "loc", None)
    if location is not None:
        places.insert(0, (location.filename, location.line))
    name = Path(code.co_filename).name
    for path, line in places:
        if Path(path).name == name:
            return line
    return code.co_firstlineno


def _reason_of(error: Exception, records: Mapping[str, Any]) -> str:
    text = str(error)
    # The innermost error of a refused call says more than the list of refused candidates.
    text = text.rsplit("raised a specific error:", 1)[-1]
    for name, record in records.items():
        text = text.replace(str(record), f"the {name} record")
        for inner in _walk([record]):
            text = text.replace(str(inner), f"a record of {name}")
    lines = [re.sub(r"^\w*Error: ", "", line.strip()) for line in text.splitlines()]
    useful = [line for line in lines if line and not _NOISE.match(line)]
    reason = useful[0] if useful else type(error).__name__
    if reason.endswith("found for signature:") and len(useful) > 1:
        reason = f"no implementation of {useful[1].removeprefix('>>>').strip()}"
    reason = re.sub(r"\.? Raised from .*$", "", reason)
    reason = re.sub(r"^(Cannot cast .* to \w+): .*$", r"\1", reason)  # what follows is LLVM's
    for opcode, meaning in _OPCODES.items():
        if f"unsupported opcode ({opcode})" in reason:
            reason = meaning
    if "Untyped global name" in reason and "class 'function'" in reason:
        reason += "; mark that function with @kernel_function"
    return reason
