"""Finding a strategy by what the config says."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from engine.kernel import strategy_loader
from engine.kernel.strategy_loader import load_strategy, shipped_names
from engine.strategies.jerico_maker import JericoMaker
from engine.strategies.jerico_trend import JericoTrend
from ext.errors import ConfigError

SOURCE = """
from engine.strategy import Strategy, buy

class Mine(Strategy):
    def on_book(state, book, position, out):
        buy(out, 1, 1)
"""
SECOND = SOURCE.replace("Mine", "Other")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_file(text: str = SOURCE, name: str = "mine_under_test.py") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write_file


def refusal(reference: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_strategy(reference)
    return str(caught.value)


def test_shipped() -> None:
    assert shipped_names() == ["jerico_maker", "jerico_trend"]
    assert load_strategy("jerico_trend") is JericoTrend
    assert load_strategy("jerico_maker") is JericoMaker
    assert load_strategy("engine.strategies.jerico_maker:JericoMaker") is JericoMaker


def test_an_unknown_name_names_the_nearest() -> None:
    assert refusal("jerico_trnd") == (
        "strategy class 'jerico_trnd' is not known; did you mean 'jerico_trend'? "
        "(your own: module:Class or /path/file.py:Class)"
    )


def test_file(write: Callable[..., Path]) -> None:
    path = write()
    loaded = load_strategy(f"{path}:Mine")
    assert loaded.__name__ == "Mine"
    assert load_strategy(str(path)).__name__ == "Mine"
    assert sys.modules[loaded.__module__].Mine is not None


def test_a_file_does_not_replace_a_module_of_its_name(write: Callable[..., Path]) -> None:
    assert load_strategy(f"{write(name='decimal.py')}:Mine").__name__ == "Mine"
    assert hasattr(sys.modules["decimal"], "Decimal")


def test_module_in_the_current_directory(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])
    monkeypatch.delitem(sys.modules, "mine_under_test", raising=False)
    assert load_strategy("mine_under_test:Mine").__name__ == "Mine"
    assert sys.path[-1] == str(tmp_path)
    monkeypatch.delitem(sys.modules, "mine_under_test")


def test_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("theirs", "engine.strategies.jerico_maker:JericoMaker", "")
    monkeypatch.setattr(strategy_loader, "entry_points", lambda group: [point])
    assert load_strategy("theirs") is JericoMaker
    assert "did you mean 'theirs'?" in refusal("their")


def test_class_that_is_not_there(write: Callable[..., Path]) -> None:
    path = write()
    assert refusal(f"{path}:Mien") == (
        f"strategy class '{path}:Mien': no class 'Mien' there; did you mean 'Mine'?"
    )
    assert "is not a subclass of Strategy" in refusal(f"{path}:buy")


def test_class_must_be_named_when_there_are_two(write: Callable[..., Path]) -> None:
    path = write(SOURCE + SECOND)
    assert refusal(str(path)) == f"strategy class '{path}' holds Mine, Other; add :Class"
    assert load_strategy(f"{path}:Other").__name__ == "Other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_that_name", "{path} line 1: ModuleNotFoundError: No module named"),
        ("\n1 / 0", "{path} line 2: ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax (mine_under_test.py, line 1)"),
        (
            SOURCE.replace("on_book", "on_boook"),
            "{path} line 4: Mine has no hook 'on_boook'; did you mean 'on_book'?",
        ),
        (
            "from engine.strategy import Quantity\nq = Quantity(0.01)",
            "{path} line 2: the default of Quantity(0.01) is not exact; use a positive quantity",
        ),
    ],
)
def test_a_file_that_fails_says_where(write: Callable[..., Path], text: str, message: str) -> None:
    path = write(text)
    before = set(sys.modules)
    found = refusal(f"{path}:Mine")
    wrapping = f"strategy class '{path}:Mine' cannot be imported"
    assert found.startswith(wrapping if "Error:" in message else message.format(path=path))
    assert message.format(path=path) in found
    left = set(sys.modules) - before
    assert not [name for name in left if name.startswith("strategy_file")]


def test_a_file_or_module_that_does_not_exist() -> None:
    assert refusal("/nowhere/x.py:X") == (
        "strategy file '/nowhere/x.py' does not exist; give the path of a .py file"
    )
    assert "ModuleNotFoundError: No module named 'nowhere_x'" in refusal("nowhere_x:X")
