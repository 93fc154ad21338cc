"""Layers where import-linter cannot see: inside Cython, and in text."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.style.conftest import Tree

# Both `from a.b cimport c` and `cimport a.b`, at any indentation.
IMPORT = re.compile(
    r"^\s*(?:from\s+(?P<source>[\w.]+)\s+c?import\b|c?import\s+(?P<modules>[\w., ]+))",
    re.MULTILINE,
)
PICOWS_EDGES = re.compile(r"ext/ws_\w+\.(?:pyx|pxd)")


def imported_modules(code: str) -> list[tuple[int, str]]:
    """Line and dotted name of each module that Cython source imports or cimports."""
    found = []
    for match in IMPORT.finditer(code):
        line = code.count("\n", 0, match.start(match.lastgroup or 0)) + 1
        names = match["source"] or match["modules"]
        found += [(line, name.split()[0]) for name in names.split(",") if name.strip()]
    return found


def upward_imports(tree: "Tree") -> list[str]:
    """Compiled modules live in ext, the lowest layer, and import ext only; the loops of the
    benchmarks, which time the kernel from C, live above it and import it too."""
    above = set(tree.top_packages) - {"ext"} | {"tests"}
    problems = []
    for path in tree.files(".pyx", ".pxd"):
        if not path.startswith(("ext/", "bench/")):
            problems.append(f"{path}: compiled modules live in ext/")
        for line, module in imported_modules(tree.code(path)):
            is_own = path.startswith("bench/") and module.startswith("bench.")
            if module.split(".")[0] in above and not is_own:
                problems.append(f"{path}:{line}: imports {module}, a layer above ext")
            if module.startswith("."):
                problems.append(f"{path}:{line}: write {module} as an absolute name")
            if module.split(".")[0] == "picows" and not PICOWS_EDGES.fullmatch(path):
                problems.append(f"{path}:{line}: picows is known to ext/ws_* only")
    return problems


def codecs_in_simulator(tree: "Tree") -> list[str]:
    """Not even as text: a lazy import or a comment is where mirroring an encoder begins. The world,
    which plays engine and venue against each other, is neither and knows both."""
    return [
        f"{path}:{number}: the simulated venue speaks the protocol by itself"
        for path in tree.files(".py", ".pyi", under=("sim", "tests/sim"))
        if not path.startswith(("sim/world/", "tests/sim/world/"))
        for number, line in enumerate(tree.text(path).splitlines(), 1)
        if re.search(r"\bext\.codecs\b|\bfrom ext import .*\bcodecs\b", line)
    ]


def test_compiled_imports_go_down(repository: "Tree") -> None:
    found = upward_imports(repository)
    assert not found, "\n".join(found)


def test_the_simulator_never_mentions_the_codecs(repository: "Tree") -> None:
    found = codecs_in_simulator(repository)
    assert not found, "\n".join(found)


def test_an_upward_import_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    tree = plant(
        {
            "ext/__init__.py": "",
            "engine/__init__.py": "",
            "ext/a.pyx": "from ext.wire cimport Side\nfrom engine.app cimport Engine\n",
            "ext/b.pxd": "cimport numpy, engine.app as app\n",
            "ext/c.pyx": "def f():\n    import tests.helper\n",
            "ext/d.pyx": '"""from engine.app import x"""\n# import engine\n',
            "ext/e.pyx": "from .wire cimport Side\n",
            "engine/f.pyx": "",
        }
    )
    assert sorted(upward_imports(tree)) == [
        "engine/f.pyx: compiled modules live in ext/",
        "ext/a.pyx:2: imports engine.app, a layer above ext",
        "ext/b.pxd:1: imports engine.app, a layer above ext",
        "ext/c.pyx:2: imports tests.helper, a layer above ext",
        "ext/e.pyx:1: write .wire as an absolute name",
    ]


def test_picows_beyond_the_edges_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    line = "from picows.picows cimport WSFrame\n"
    tree = plant({"ext/ws_listener.pyx": line, "ext/book.pyx": line})
    assert upward_imports(tree) == ["ext/book.pyx:1: picows is known to ext/ws_* only"]


def test_a_codec_in_the_simulator_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    tree = plant(
        {
            "sim/a.py": "import ext.codecs" + ".fix\n",
            "sim/venues/b.py": "# like ext.codecs\n",
            "sim/c.py": "from ext import codecs\n",
            "engine/d.py": "import ext.codecs\n",
        }
    )
    found = [problem.split(":")[0] for problem in codecs_in_simulator(tree)]
    assert found == ["sim/a.py", "sim/c.py", "sim/venues/b.py"]
