"""Lines of 100 columns, files of 500 lines, functions of 70; exceptions may only shrink."""

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.style.conftest import Tree

COLUMNS_MAX = 100
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

SOURCES = (".py", ".pyx", ".pxd", ".pyi", ".c", ".h")
WITH_COLUMNS = (*SOURCES, ".toml", ".yaml", ".sh", "Makefile", ".ci/run")

FUNCTION_START = re.compile(
    r"(?P<indent>[ ]*)(?:async[ ]+)?(?:def|cdef|cpdef)[ ]+"
    r"(?!class\b|struct\b|enum\b|union\b|extern\b|packed\b|fused\b)"
    r"(?:[^(=\n]*?\W)?(?P<name>\w+)\("
)
DOCSTRING = re.compile(r'\s*[rR]?("""|\'\'\').*?\1', re.DOTALL)


def long_lines(tree: "Tree") -> list[str]:
    return [
        f"{path}:{number}: {len(line)} columns; at most {COLUMNS_MAX}"
        for path in tree.files(*WITH_COLUMNS)
        for number, line in enumerate(tree.text(path).splitlines(), 1)
        if len(line) > COLUMNS_MAX and not tree.opted_out(line)
    ]


def long_files(tree: "Tree") -> dict[str, int]:
    sizes = {path: len(tree.text(path).splitlines()) for path in tree.files(*SOURCES)}
    return {path: size for path, size in sizes.items() if size > FILE_LINES_MAX}


def _header_end(lines: list[str], start: int) -> int | None:
    """Index of the header's last line, or None for a declaration without a body."""
    depth = 0
    for index in range(start, len(lines)):
        depth += lines[index].count("(") - lines[index].count(")")
        depth += lines[index].count("[") - lines[index].count("]")
        if depth == 0:
            return index if lines[index].rstrip().endswith(":") else None
    return None


def _docstring_lines(original: list[str], body: int) -> int:
    match = DOCSTRING.match("\n".join(original[body:]))
    return match.group().strip().count("\n") + 1 if match else 0


def function_lengths(code: str, text: str) -> list[tuple[str, int]]:
    """Name and lines of each function with a body, header in, docstring out; by indentation,
    so that Cython, which ``ast`` cannot read, is measured the same way."""
    lines, original = code.split("\n"), text.split("\n")
    found = []
    for start, line in enumerate(lines):
        match = FUNCTION_START.match(line)
        header = _header_end(lines, start) if match else None
        if match is None or header is None:
            continue
        indent, end = len(match["indent"]), header
        for index in range(header + 1, len(lines)):
            body_line = lines[index]
            if not body_line.strip():
                continue
            if len(body_line) - len(body_line.lstrip()) <= indent:
                break
            end = index
        length = end - start + 1 - _docstring_lines(original, header + 1)
        found.append((match["name"], length))
    return found


def long_functions(tree: "Tree") -> dict[str, int]:
    return {
        f"{path}::{name}": length
        for path in tree.files(".py", ".pyx", ".pxd")
        for name, length in function_lengths(tree.code(path), tree.text(path))
        if length > FUNCTION_LINES_MAX
    }


def against_ratchet(
    found: Mapping[str, int], tolerated: Mapping[str, int], limit: int
) -> list[str]:
    problems = []
    for name, size in found.items():
        allowed = tolerated.get(name, limit)
        if size > allowed:
            problems.append(f"{name}: {size} lines; at most {allowed}")
        elif size < allowed:
            problems.append(f"{name}: shrank to {size}; lower it in ratchet.toml")
    gone = tolerated.keys() - found.keys()
    return problems + [f"{name}: fits the limit now; take it out of ratchet.toml" for name in gone]


def test_lines_fit_the_columns(repository: "Tree") -> None:
    found = long_lines(repository)
    assert not found, "\n".join(found)


def test_files_fit_or_shrink(repository: "Tree") -> None:
    ratchet = tomllib.loads(repository.text("tests/style/ratchet.toml"))
    found = against_ratchet(long_files(repository), ratchet["files"], FILE_LINES_MAX)
    assert not found, "\n".join(found)


def test_functions_fit_or_shrink(repository: "Tree") -> None:
    ratchet = tomllib.loads(repository.text("tests/style/ratchet.toml"))
    found = against_ratchet(long_functions(repository), ratchet["functions"], FUNCTION_LINES_MAX)
    assert not found, "\n".join(found)


def test_a_long_line_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    tree = plant({"ext/a.pyx": "x" * 100 + "\n" + "x" * 101 + "\n"})
    assert long_lines(tree) == ["ext/a.pyx:2: 101 columns; at most 100"]


def test_a_long_file_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    tree = plant({"ext/a.py": "x\n" * 500, "ext/b.pxd": "x\n" * 501})
    assert long_files(tree) == {"ext/b.pxd": 501}


def _function(header: str, body_lines: int, docstring: str = "") -> str:
    return header + "\n" + docstring + "    pass\n" * body_lines + "\n\nx = 1\n"


def test_a_long_function_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    tree = plant(
        {
            "a.py": _function("def fits(a):", 69),
            "b.py": _function("async def long(a):", 70),
            "c.pyx": _function("cdef inline int64_t long_c(int* a) noexcept nogil:", 70),
            "d.pyx": _function("cpdef object split(\n    int a,\n):", 68),
            "e.py": _function("def documented(a):", 69, '    """One.\n\nDedented.\n    """\n'),
            "f.pyx": "cdef int declared(int a)\n" + "x = 1\n" * 80,
            "g.pyx": "cdef class Book(Base):\n" + "    cdef int a\n" * 80,
        }
    )
    assert long_functions(tree) == {"b.py::long": 71, "c.pyx::long_c": 71, "d.pyx::split": 71}


def test_a_method_ends_where_the_next_begins() -> None:
    code = "class A:\n    def one(self):\n        pass\n\n    def two(self):\n        pass\n"
    assert function_lengths(code, code) == [("one", 2), ("two", 2)]


def test_the_ratchet_only_shrinks() -> None:
    tolerated = {"same": 80, "grew": 80, "shrank": 80, "fits": 80}
    found = {"same": 80, "grew": 81, "shrank": 79, "fresh": 71}
    assert against_ratchet(found, tolerated, 70) == [
        "grew: 81 lines; at most 80",
        "shrank: shrank to 79; lower it in ratchet.toml",
        "fresh: 71 lines; at most 70",
        "fits: fits the limit now; take it out of ratchet.toml",
    ]
