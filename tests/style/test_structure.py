"""The shape of the repository: triples, mirrored tests, packages, public names, commands, links."""

import ast
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.style.conftest import Tree

PUBLIC_NAMES_MAX = 25

# Folders of tests that belong to no single package.
ACROSS_PACKAGES = {"style", "conformance", "integration"}

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?P<target>[^)\s]+)(?:\s+\"[^\"]*\")?\)")
CODE_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def incomplete_triples(tree: "Tree") -> list[str]:
    """Each .pyx has a .pxd (its table of contents) and a .pyi (its types). A .pxd may stand
    alone: inline functions and structs. A .pyi without a .pyx describes nothing."""
    pairs = [
        (path, path.removesuffix(".pyx") + ending)
        for path in tree.files(".pyx")
        for ending in (".pxd", ".pyi")
    ]
    pairs += [(path, path.removesuffix(".pyi") + ".pyx") for path in tree.files(".pyi")]
    return [f"{path}: {partner} is missing" for path, partner in pairs if not tree.exists(partner)]


def unmirrored_tests(tree: "Tree") -> list[str]:
    """tests/<package>/test_<module>[_<what>].py stands for <package>/**/<module>. A file that
    covers several modules says so in its first lines with ``# tidy-ok: reason``."""
    problems = []
    for path in tree.files(".py", under=("tests",)):
        parts = PurePosixPath(path).parts
        name = parts[-1].removesuffix(".py")
        if len(parts) < 3 or parts[1] in ACROSS_PACKAGES:
            continue
        if not name.startswith("test_") or any(
            tree.opted_out(line) for line in tree.text(path).splitlines()[:10]
        ):
            continue
        if parts[1] not in tree.top_packages:
            problems.append(f"{path}: there is no package {parts[1]}")
            continue
        modules = {
            PurePosixPath(source).stem
            for source in tree.files(".py", ".pyx", ".pxd", under=(parts[1],))
        }
        subject = name.removeprefix("test_")
        if not any(subject == module or subject.startswith(module + "_") for module in modules):
            problems.append(f"{path}: no module {subject} in {parts[1]}/")
    return problems


def unlisted_packages(tree: "Tree") -> list[str]:
    """setuptools builds what is listed; a package left out is missing from the install."""
    listed = {name.replace(".", "/") for name in tree.project["tool"]["setuptools"]["packages"]}
    folders = set(tree.packages)
    return sorted(
        [f"{folder}: add it to packages in pyproject.toml" for folder in folders - listed]
        + [
            f"{folder}: listed in pyproject.toml, but has no __init__.py"
            for folder in listed - folders
        ]
    )


def untyped_packages(tree: "Tree") -> list[str]:
    return [
        f"{package}: py.typed is missing"
        for package in tree.top_packages
        if not tree.exists(f"{package}/py.typed")
    ]


def public_names(text: str) -> set[str]:
    """``__all__`` where there is one, otherwise every name without an underscore."""
    names: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and target.id == "__all__" and node.value:
                    return set(ast.literal_eval(node.value))
                if isinstance(target, ast.Name):
                    names.add(target.id)
    return {name for name in names if not name.startswith("_")}


def crowded_packages(tree: "Tree") -> list[str]:
    problems = []
    for folder in tree.packages:
        count = len(public_names(tree.text(f"{folder}/__init__.py")))
        if count > PUBLIC_NAMES_MAX:
            problems.append(f"{folder}: {count} public names; at most {PUBLIC_NAMES_MAX}")
    return problems


def missing_commands(tree: "Tree") -> list[str]:
    problems = []
    for command, target in tree.project["project"]["scripts"].items():
        module, _, function = target.partition(":")
        path = module.replace(".", "/") + ".py"
        if not tree.exists(path):
            problems.append(f"{command}: {path} is missing")
            continue
        defined = {
            node.name
            for node in ast.parse(tree.text(path)).body
            if isinstance(node, ast.FunctionDef)
        }
        if function not in defined:
            problems.append(f"{command}: {path} defines no function {function}")
    return problems


def broken_links(tree: "Tree") -> list[str]:
    problems = []
    for path in tree.files(".md"):
        prose = CODE_FENCE.sub(lambda fence: "\n" * fence.group().count("\n"), tree.text(path))
        for match in LINK.finditer(prose):
            target = match["target"].partition("#")[0]
            if not target or re.match(r"[a-z][a-z+.-]*:", target):
                continue
            if not (tree.root / path).parent.joinpath(target).exists():
                line = prose.count("\n", 0, match.start()) + 1
                problems.append(f"{path}:{line}: {target} does not exist")
    return problems


def drifting_pins(tree: "Tree") -> list[str]:
    """What is needed to build is asked for in the same words at run time or in a group."""
    project = tree.project
    groups = [entry for group in project["dependency-groups"].values() for entry in group]
    asked = {*project["project"]["dependencies"], *(e for e in groups if isinstance(e, str))}
    return [
        f"[build-system] asks for {requirement}; dependencies and groups do not"
        for requirement in project["build-system"]["requires"]
        if requirement not in asked
    ]


def test_every_compiled_module_is_a_triple(repository: "Tree") -> None:
    found = incomplete_triples(repository)
    assert not found, "\n".join(found)


def test_every_test_file_has_its_module(repository: "Tree") -> None:
    found = unmirrored_tests(repository)
    assert not found, "\n".join(found)


def test_every_package_is_listed_and_typed(repository: "Tree") -> None:
    found = unlisted_packages(repository) + untyped_packages(repository)
    assert not found, "\n".join(found)


def test_packages_export_few_names(repository: "Tree") -> None:
    found = crowded_packages(repository)
    assert not found, "\n".join(found)


def test_every_command_has_its_function(repository: "Tree") -> None:
    found = missing_commands(repository)
    assert not found, "\n".join(found)


def test_links_lead_somewhere(repository: "Tree") -> None:
    found = broken_links(repository)
    assert not found, "\n".join(found)


def test_build_and_run_ask_for_the_same_versions(repository: "Tree") -> None:
    found = drifting_pins(repository)
    assert not found, "\n".join(found)


def test_ci_runs_the_test_command_of_the_readme(repository: "Tree") -> None:
    assert re.search(r"^\s*(?:\$ )?make test\b", repository.text("README.md"), re.MULTILINE)
    assert re.search(r"^stage make test$", repository.text(".ci/run"), re.MULTILINE)


def test_an_incomplete_triple_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    whole = {"ext/a.pyx": "", "ext/a.pxd": "", "ext/a.pyi": "", "ext/inline.pxd": ""}
    assert incomplete_triples(plant(whole)) == []
    assert incomplete_triples(plant({"ext/b.pyx": "", "ext/c.pyi": ""})) == [
        "ext/b.pyx: ext/b.pxd is missing",
        "ext/b.pyx: ext/b.pyi is missing",
        "ext/c.pyi: ext/c.pyx is missing",
    ]


def test_a_test_of_nothing_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    tree = plant(
        {
            "ext/__init__.py": "",
            "ext/book.pyx": "",
            "ext/codecs/fix.pyx": "",
            "tests/ext/conftest.py": "",
            "tests/ext/test_book.py": "",
            "tests/ext/test_book_property.py": "",
            "tests/ext/codecs/test_fix.py": "",
            "tests/ext/test_bookshelf.py": "",
            "tests/ext/test_layout.py": "# tidy-ok: compares wire.pxd and dtypes.py\n",
            "tests/style/test_tidy.py": "",
            "tests/unit/test_x.py": "",
        }
    )
    assert unmirrored_tests(tree) == [
        "tests/ext/test_bookshelf.py: no module bookshelf in ext/",
        "tests/unit/test_x.py: there is no package unit",
    ]


def test_an_unlisted_package_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    tree = plant(
        {
            "pyproject.toml": '[tool.setuptools]\npackages = ["ext", "ext.codecs", "gone"]\n',
            "ext/__init__.py": "",
            "ext/py.typed": "",
            "ext/codecs/__init__.py": "",
            "sim/__init__.py": "",
            "tests/__init__.py": "",
        }
    )
    assert unlisted_packages(tree) == [
        "gone: listed in pyproject.toml, but has no __init__.py",
        "sim: add it to packages in pyproject.toml",
    ]
    assert untyped_packages(tree) == ["sim: py.typed is missing"]


def test_a_crowded_package_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    names = [f"name_{index}" for index in range(26)]
    tree = plant(
        {
            "a/__init__.py": "".join(f"{name} = 1\n" for name in names),
            "b/__init__.py": f"from x import {', '.join(names[1:])}\n_private = 1\n",
            "c/__init__.py": f"__all__ = {names[:3]}\n" + "".join(f"{n} = 1\n" for n in names),
            "d/__init__.py": f"__all__ = {names}\n",
        }
    )
    assert crowded_packages(tree) == [
        "a: 26 public names; at most 25",
        "d: 26 public names; at most 25",
    ]


def test_a_missing_command_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    scripts = 'one = "a.cli:main"\ntwo = "a.gone:main"\nthree = "a.empty:main"\n'
    tree = plant(
        {
            "pyproject.toml": f"[project.scripts]\n{scripts}",
            "a/cli.py": "def main() -> int:\n    return 0\n",
            "a/empty.py": "main_name = 1\n",
        }
    )
    assert missing_commands(tree) == [
        "two: a/gone.py is missing",
        "three: a/empty.py defines no function main",
    ]


def test_a_broken_link_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    links = (
        "[a](../README.md#top) [b](https://x.y/z) [c](#here)\n```\n[d](none)\n```\n[e](none.md)\n"
    )
    tree = plant({"README.md": "[docs](docs/a.md)\n", "docs/a.md": links})
    assert broken_links(tree) == ["docs/a.md:5: none.md does not exist"]


def test_a_drifting_pin_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    text = (
        '[build-system]\nrequires = ["Cython==1", "picows==2"]\n'
        '[project]\ndependencies = ["picows==3"]\n'
        '[dependency-groups]\nbuild = ["Cython==1"]\ndev = [{ include-group = "build" }]\n'
    )
    assert drifting_pins(plant({"pyproject.toml": text})) == [
        "[build-system] asks for picows==2; dependencies and groups do not"
    ]
