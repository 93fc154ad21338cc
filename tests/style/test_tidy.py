"""Banned text, each with what to use instead; ``# tidy-ok: reason`` on the line opts out."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.style.conftest import Tree

PYTHON = (".py",)
CYTHON = (".pyx", ".pxd")
BOTH = (*PYTHON, *CYTHON)

COMMAND_LINE = r"(?:.*/)?cli\.py|monitor/(?:relay|terminal)\.py"
TRANSPORT = r"(?:feeds|gateways)/(?:ws_|rest_|rest_order_)?transport\.py"
EDGES = rf"{TRANSPORT}|ext/(?:clock|ws_\w+|tcp_\w+)\.\w+"
SANS_IO = ("feeds", "gateways")


class Ban(NamedTuple):
    """A pattern over code without comments and strings, and where it holds."""

    pattern: str
    instead: str
    endings: tuple[str, ...] = BOTH
    under: tuple[str, ...] = ()  # packages; empty: all of them
    except_in: str = ""  # full match of the path


BANS = (
    Ban(r"(?<![\w.])print\(", "logging, or Rich in a command", except_in=COMMAND_LINE),
    Ban(r"^\s*except\s*:", "name the exception", BOTH),
    Ban(r"(?<![\w.])(?:eval|exec)\(", "a parser or a table of functions"),
    Ban(r"\b(?:import|from)\s+(?:pickle|marshal|shelve)\b", "msgspec, orjson or fixed records"),
    Ban(r"\bos\.system\(|\bshell\s*=\s*True\b", "subprocess with a list of arguments"),
    Ban(r"\btime\.sleep\(", "a deadline of the session or the loop", except_in=COMMAND_LINE),
    Ban(
        r"\btime\.(?:time|monotonic|perf_counter)(?:_ns)?\(|\bdatetime\.(?:now|utcnow|today)\(",
        "now_ns, given as an argument",
        under=(*SANS_IO, "ext"),
        except_in=EDGES,
    ),
    Ban(
        r"\bclock_gettime\(|\bgettimeofday\(",
        "now_ns, given as an argument; clocks are read at the edges",
        CYTHON,
        under=("ext",),
        except_in=EDGES,
    ),
    Ban(
        r"\basync\s+def\b|^\s*(?:import|from)\s+(?:asyncio|socket|uvloop|picows)\b",
        "a sans-io session; sockets are awaited in transport.py",
        PYTHON,
        under=SANS_IO,
        except_in=TRANSPORT,
    ),
    Ban(r"^\s*include\s+[\"']", "cimport; an included file hides its names", CYTHON),
    Ban(r"\bc?import\s+\*", "the names themselves"),
    Ban(r"^\s*def\s+__del__\b", "close(), called by whoever opened it"),
)

# Split, so that this file does not report itself.
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")


def banned(tree: "Tree") -> list[str]:
    problems = []
    for ban in BANS:
        pattern = re.compile(ban.pattern, re.MULTILINE)
        for path in tree.files(*ban.endings, under=ban.under or tree.top_packages):
            if ban.except_in and re.fullmatch(ban.except_in, path):
                continue
            original = tree.text(path).splitlines()
            for number, line in enumerate(tree.code(path).splitlines(), 1):
                if pattern.search(line) and not tree.opted_out(original[number - 1]):
                    problems.append(f"{path}:{number}: {line.strip()}; use {ban.instead}")
    return problems


def unfinished(tree: "Tree") -> list[str]:
    endings = (*BOTH, ".pyi", ".c", ".h", ".toml", ".yaml", ".md", "Makefile")
    return [
        f"{path}:{number}: finish it, or open an entry in the tracker"
        for path in tree.files(*endings)
        for number, line in enumerate(tree.text(path).splitlines(), 1)
        if UNFINISHED.search(line)
    ]


def reasonless(tree: "Tree") -> list[str]:
    """Opt-outs that do not say why."""
    marker = re.compile(r"(?:#|//)\s*tidy-ok\b")
    return [
        f"{path}:{number}: tidy-ok needs a reason: `# tidy-ok: why this line may`"
        for path in tree.files(*BOTH, ".c", ".h", under=(*tree.top_packages, "tests"))
        for number, line in enumerate(tree.text(path).splitlines(), 1)
        if marker.search(line) and not tree.opted_out(line) and "`" not in line
    ]


def test_nothing_banned_is_called(repository: "Tree") -> None:
    found = banned(repository)
    assert not found, "\n".join(found)


def test_nothing_is_left_unfinished(repository: "Tree") -> None:
    found = unfinished(repository)
    assert not found, "\n".join(found)


def test_every_opt_out_has_a_reason(repository: "Tree") -> None:
    found = reasonless(repository)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("engine/a.py", "print(1)"),
        ("ext/a.pyx", "    except:"),
        ("engine/a.py", "x = eval(text)"),
        ("monitor/a.py", "import pickle"),
        ("engine/a.py", "from marshal import loads"),
        ("bench/a.py", "os.system(command)"),
        ("bench/a.py", "run(command, shell=True)"),
        ("engine/a.py", "time.sleep(1)"),
        ("feeds/a.py", "now = time.time()"),
        ("ext/a.pyx", "now = time.monotonic_ns()"),
        ("gateways/a.py", "now = datetime.now(UTC)"),
        ("ext/a.pyx", "clock_gettime(CLOCK_MONOTONIC, &now)"),
        ("feeds/a.py", "async def run(self):"),
        ("gateways/a.py", "import socket"),
        ("feeds/a.py", "from picows import ws_connect"),
        ("ext/a.pyx", 'include "b.pxi"'),
        ("ext/a.pyx", "from ext.wire cimport *"),
        ("engine/a.py", "    def __del__(self):"),
    ],
)
def test_a_banned_call_is_caught(
    plant: Callable[[dict[str, str]], "Tree"], path: str, line: str
) -> None:
    package = path.split("/")[0] + "/__init__.py"
    assert len(banned(plant({package: "", path: f"x = 1\n{line}\n"}))) == 1
    assert banned(plant({path: f"x = 1\n{line}  # tidy-ok: planted by a test\n"})) == []
    assert len(banned(plant({path: f"x = 1\n{line}  # tidy-ok:\n"}))) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("engine/cli.py", "print(1)"),
        ("engine/a.py", "console.print(1)"),
        ("engine/a.py", "# print(1)"),
        ("engine/a.py", '"""Never print(1) or eval(x)."""'),
        ("engine/a.py", "started = time.monotonic_ns()"),
        ("feeds/transport.py", "async def run(self):"),
        ("monitor/relay.py", "time.sleep(0.001)"),
        ("ext/clock.pxd", "clock_gettime(CLOCK_MONOTONIC, &now)"),
        ("engine/a.py", "model.eval()"),
    ],
)
def test_an_allowed_call_is_left_alone(
    plant: Callable[[dict[str, str]], "Tree"], path: str, line: str
) -> None:
    package = path.split("/")[0] + "/__init__.py"
    assert banned(plant({package: "", path: f"{line}\n"})) == []


def test_unfinished_text_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    tree = plant({"a.py": "x = 1  # TO" + "DO later\n", "b.md": "FIX" + "ME\n", "c.py": "todos\n"})
    assert [problem.split(":")[0] for problem in unfinished(tree)] == ["a.py", "b.md"]


def test_a_reasonless_opt_out_is_caught(plant: Callable[[dict[str, str]], "Tree"]) -> None:
    bad, good = "x = 1  # tidy" + "-ok\n", "x = 1  # tidy-ok: planted by a test\n"
    assert len(reasonless(plant({"ext/__init__.py": "", "ext/a.py": bad + good}))) == 1
