"""What a strategy class may look like, said when it is defined."""

import pytest

from engine.strategies.jerico_trend import JericoTrend
from engine.strategy import Record, Strategy
from ext.errors import UsageError


def test_an_unknown_hook_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="Wrong has no hook 'on_boook'; did you mean 'on_book'"):

        class Wrong(Strategy):
            def on_boook(state: Record, book: Record, position: Record, out: Record) -> None: ...


def test_a_hook_with_other_arguments_says_how_it_must_be_written() -> None:
    with pytest.raises(UsageError) as caught:

        class Wrong(Strategy):
            def on_trade(self, state: Record, book: Record, out: Record) -> None: ...

    message = "Wrong.on_trade must be written def on_trade(state, trade, book, position, out)"
    assert str(caught.value) == message


def test_a_hook_that_is_no_function() -> None:
    with pytest.raises(UsageError, match=r"Wrong\.on_book is not a function"):

        class Wrong(Strategy):
            on_book = 3


@pytest.mark.parametrize("interval", [0, -1, 0.5, True, 86_400_001])
def test_on_timer_needs_an_interval(interval: object) -> None:
    message = "timer_interval_ms was .*; on_timer needs a whole number from 1 to 86400000"
    with pytest.raises(UsageError, match=message):

        class Wrong(Strategy):
            timer_interval_ms = interval  # type: ignore[assignment]

            def on_timer(
                state: Record, timer: Record, book: Record, position: Record, out: Record
            ) -> None: ...


def test_an_interval_needs_its_hook() -> None:
    with pytest.raises(UsageError, match="bar_interval_ms is set but there is no on_bar; add one"):

        class Wrong(Strategy):
            bar_interval_ms = 1000


def test_a_subclass_inherits_hooks_and_may_change_parameters() -> None:
    class Faster(JericoTrend):
        pass

    assert Faster.hooks() == JericoTrend.hooks()
    assert Faster.display_name() == "faster"
    assert JericoTrend.display_name() == "jerico_trend"
