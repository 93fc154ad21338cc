"""The reference book against hand-worked books and a plain dictionary."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.reference.reference_book import ReferenceBook, count_steps
from ext.errors import InstrumentError


def make_book() -> ReferenceBook:
    book = ReferenceBook("0.01", "0.001")
    book.load([("100.00", "1.5"), ("99.99", "2")], [("100.02", "0.001"), ("101", "3.000")])
    return book


def test_levels_are_best_first() -> None:
    book = make_book()
    assert book.levels(True) == [(10000, 1500), (9999, 2000)]
    assert book.levels(False) == [(10002, 1), (10100, 3000)]
    assert (book.best(True), book.best(False)) == ((10000, 1500), (10002, 1))
    assert (book.price(10002), book.quantity(1500)) == (Decimal("100.02"), Decimal("1.500"))


def test_zero_in_any_spelling_removes_a_level() -> None:
    for zero in ("0", "0.0", "0.00000000"):
        book = make_book()
        book.set_level(True, "100", zero)
        assert book.levels(True) == [(9999, 2000)]
        book.set_level(True, "100", zero)
        assert book.level_count(True) == 1, "removing what is not there does nothing"


def test_load_replaces_everything() -> None:
    book = make_book()
    book.load([], [("5", "1")])
    assert (book.levels(True), book.levels(False)) == ([], [(500, 1000)])
    assert book.best(True) is None


@pytest.mark.parametrize(
    ("bid", "ask", "is_crossed"),
    [("100", "100.01", False), ("100", "100", True), ("100.01", "100", True)],
)
def test_crossed_means_bid_at_or_above_ask(bid: str, ask: str, is_crossed: bool) -> None:
    book = ReferenceBook("0.01", "1")
    assert not book.is_crossed()
    book.set_level(True, bid, "1")
    assert not book.is_crossed()
    book.set_level(False, ask, "1")
    assert book.is_crossed() is is_crossed


CHANGES = st.lists(st.tuples(st.booleans(), st.integers(1, 30), st.integers(0, 5)), max_size=80)


@given(CHANGES)
def test_arrays_and_levels_agree_with_a_dictionary(changes: list[tuple[bool, int, int]]) -> None:
    book = ReferenceBook("0.5", "0.1")
    wanted: dict[bool, dict[int, int]] = {True: {}, False: {}}
    for is_bid, price_ticks, quantity_lots in changes:
        book.arrays(is_bid)  # fills what a change has to throw away
        book.set_level(is_bid, f"{price_ticks * Decimal('0.5')}", f"{quantity_lots / 10:.1f}")
        wanted[is_bid][price_ticks] = quantity_lots
        for side in (True, False):
            rows = [(p, q) for p, q in sorted(wanted[side].items(), reverse=side) if q]
            prices, quantities = book.arrays(side)
            assert list(zip(prices.tolist(), quantities.tolist(), strict=True)) == rows
            assert book.levels(side) == rows


@pytest.mark.parametrize(
    ("text", "step", "steps"),
    [
        ("0", "0.01", 0),
        ("101.80000000", "0.01", 10180),
        ("0.00000001", "0.00000001", 1),
        ("1e2", "0.01", 10000),
        ("7.5E-1", "0.25", 3),
        ("0.3", "0.1", 3),
        ("9223372036854775807", "1", 2**63 - 1),
    ],
)
def test_exact_steps(text: str, step: str, steps: int) -> None:
    assert count_steps(text, Decimal(step)) == steps


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.001", "is not a whole number of 0.03"),
        ("0.01", "is not a whole number of 0.03"),
        ("1e-9999", "is not a whole number of 0.03"),
        ("3e9999", "is out of range"),
        ("3e20", "is out of range"),
        ("-0.03", "use a non-negative decimal in a string"),
        ("NaN", "use a non-negative decimal in a string"),
        ("0_3", "use a non-negative decimal in a string"),
        ("", "use a non-negative decimal in a string"),
        (" 0.03", "use a non-negative decimal in a string"),
        (0.03, "use a non-negative decimal in a string"),
        (None, "use a non-negative decimal in a string"),
    ],
)
def test_numbers_that_are_not_steps_are_refused(text: object, words: str) -> None:
    with pytest.raises(InstrumentError, match=words):
        count_steps(text, Decimal("0.03"))


def test_price_of_zero_is_refused() -> None:
    with pytest.raises(InstrumentError, match="greater than zero"):
        make_book().set_level(True, "0.00", "1")
