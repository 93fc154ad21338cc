"""The visible book less what paper orders took of it."""

from engine.paper.paper_book import PaperBook
from ext.wire import Side


def make_book(**levels: list[tuple[int, int]]) -> PaperBook:
    book = PaperBook()
    book.is_live = True
    for name, pairs in levels.items():
        for price, lots in pairs:
            book.set_level(Side.BUY if name == "bids" else Side.SELL, price, lots)
    return book


def test_levels_come_best_first_down_to_the_limit() -> None:
    book = make_book(bids=[(98, 1), (99, 2), (97, 3)], asks=[(103, 5), (101, 7), (102, 6)])
    assert list(book.available(Side.SELL, 102)) == [(101, 7), (102, 6)]
    assert list(book.available(Side.BUY, 98)) == [(99, 2), (98, 1)]
    assert list(book.available(Side.SELL, 100)) == []
    assert book.available_lots(Side.SELL, 1000) == 18


def test_what_was_taken_stays_taken_until_the_level_is_told_again() -> None:
    book = make_book(asks=[(101, 7), (102, 6)])
    book.take(Side.SELL, 101, 3)
    book.take(Side.SELL, 101, 4)
    assert list(book.available(Side.SELL, 102)) == [(102, 6)]
    assert (book.shown_lots(Side.SELL, 101), book.left_lots(Side.SELL, 101)) == (7, 0)
    assert book.set_level(Side.SELL, 101, 2) == 7
    assert list(book.available(Side.SELL, 102)) == [(101, 2), (102, 6)]


def test_a_level_that_goes_and_a_book_that_is_lost() -> None:
    book = make_book(bids=[(99, 2)], asks=[(101, 7)])
    assert book.set_level(Side.BUY, 99, 0) == 2
    assert book.set_level(Side.BUY, 99, 0) == 0
    assert list(book.available(Side.BUY, 1)) == []
    book.take(Side.SELL, 101, 7)
    book.clear()
    assert not book.is_live
    book.set_level(Side.SELL, 101, 7)
    assert book.left_lots(Side.SELL, 101) == 7


def test_only_so_many_levels_as_the_venue_tells() -> None:
    book = make_book(bids=[(99, 1), (98, 1), (97, 1)], asks=[(101, 1), (102, 1), (103, 1)])
    book.keep_best(0)
    assert book.available_lots(Side.BUY, 1) == 3
    book.keep_best(2)
    assert list(book.available(Side.BUY, 1)) == [(99, 1), (98, 1)]
    assert list(book.available(Side.SELL, 1000)) == [(101, 1), (102, 1)]
