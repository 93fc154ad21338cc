"""What a strategist reads when a hook does not compile."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from engine.instruments import Instrument
from engine.kernel.kernels import compile_strategy
from engine.kernel.strategy_loader import load_strategy
from ext.errors import ConfigError

INSTRUMENT = Instrument("BTC-USD", Decimal("0.01"), Decimal("0.001"))

HEADER = """
from statistics import fmean
from engine.strategy import Params, State, Strategy, buy

def helper(book):
    return book.bid_tick[0]

class Wrong(Strategy):
    params = Params(step=2)
    state = State(value=float)

    def on_book(state, book, position, out):
        value = book.bid_ticks[0]
"""


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    monkeypatch.setenv("WOW_KERNEL_CACHE", "off")

    def refuse(body: str) -> str:
        file = tmp_path / "wrong.py"
        lines = "".join(f"        {line}\n" for line in body.splitlines())
        file.write_text(HEADER.lstrip("\n") + lines)
        with pytest.raises(ConfigError) as caught:
            compile_strategy(load_strategy(f"{file}:Wrong"), INSTRUMENT)
        return str(caught.value).replace(str(file), "wrong.py")

    return refuse


@pytest.mark.parametrize(
    ("body", "line", "reason"),
    [
        ("state.valu = 1.0", 13, "no record has a field 'valu'; did you mean 'value'?"),
        ("state.params.stepp", 13, "no record has a field 'stepp'; did you mean 'step'?"),
        ("state.value = helper(book)", 5, "no record has a field 'bid_tick'; did you mean 'bid_ti"),
        ("unknown_name(3)", 13, "name 'unknown_name' is not defined"),
        (
            "state.value = fmean([1.0])",
            13,
            "Untyped global name 'fmean': Cannot determine Numba type of <class 'function'>; "
            "mark that function with @kernel_function",
        ),
        (
            "state.value = 'text'",
            13,
            "Cannot cast Literal[str](text) to float64",
        ),
        ("state.value = [1]", 13, "Cannot cast list(int64)<iv=[1]> to float64"),
        ("import math", 13, "a hook cannot import; import at the top of the file"),
        ("class Inner:\n    pass", 13, "a hook cannot define a class"),
        (
            "buy(out, 0.5 * value, 1)",
            13,
            "prices and quantities are whole ticks and lots; round with math.floor or math.ceil "
            "(got float64)",
        ),
        (
            "with open('x') as file:\n    pass",
            11,
            "The 'with (context manager) as (variable):' construct is not supported",
        ),
        ("value = 'a' if value > 3 else 1", 13, "Cannot unify"),
        ("book.bid_ticks[0] = 'a'", 13, "no implementation of setitem("),
    ],
)
def test_says_where_and_why(
    refusal: Callable[[str], str], body: str, line: int, reason: str
) -> None:
    message = refusal(body)
    assert message.startswith(f"Wrong.on_book does not compile, wrong.py line {line}: {reason}")
    assert "\n" not in message
    assert "%" not in message
    assert "i8*" not in message
    assert len(message) < 300


@pytest.mark.parametrize("body", ["return value", "yield value"])
def test_a_hook_that_returns_something_is_refused(refusal: Callable[[str], str], body: str) -> None:
    assert refusal(body) == "Wrong.on_book must not return or yield anything"


def test_a_field_that_a_helper_of_another_file_asks_for_is_shown_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WOW_KERNEL_CACHE", "off")
    monkeypatch.syspath_prepend(tmp_path)
    helpers = tmp_path / "shared_helpers_of_wrong.py"
    helpers.write_text(
        "from engine.strategy import kernel_function\n\n\n@kernel_function\n"
        "def best(book):\n    x = 1\n    return x * book.bid_tick[0]\n"
    )
    file = tmp_path / "wrong.py"
    file.write_text(
        "from engine.strategy import Strategy, buy\n"
        f"from {helpers.stem} import best\n\n\nclass Wrong(Strategy):\n"
        "    def on_book(state, book, position, out):\n        buy(out, best(book), 1)\n"
    )
    with pytest.raises(ConfigError, match=rf"compile, {helpers} line 7: no record has a field"):
        compile_strategy(load_strategy(f"{file}:Wrong"), INSTRUMENT)
