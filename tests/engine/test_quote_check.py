"""Books are held against the last quote up to their update, whichever of the two comes first."""

from engine.reference.quote_check import MAX_QUOTES, Level, Quote, QuoteCheck, QuoteDifference

ASK = (101, 5)


def at(number: int, bid: Level = (100, 1)) -> Quote:
    return number, bid, ASK


def test_a_book_is_settled_by_the_next_later_quote() -> None:
    check = QuoteCheck()
    assert check.note_quote(at(10)) == []
    assert check.note_book(at(12)) == []
    assert (check.equal, check.different) == (0, 0), "a quote of 11 or 12 may still come"
    assert check.note_quote(at(13, (99, 1))) == []
    assert (check.equal, check.different) == (1, 0)


def test_a_quote_of_the_same_update_decides() -> None:
    check = QuoteCheck()
    check.note_quote(at(10, (99, 9)))
    check.note_quote(at(12))
    check.note_book(at(12))
    check.note_quote(at(13))
    assert (check.equal, check.different) == (1, 0)


def test_quotes_may_be_ahead_of_the_book() -> None:
    check = QuoteCheck()
    for number, size in ((10, 1), (12, 2), (15, 3), (20, 4)):
        check.note_quote(at(number, (100, size)))
    for number, size in ((11, 1), (12, 2), (14, 2), (15, 3), (19, 3)):
        assert check.note_book(at(number, (100, size))) == []
    assert (check.equal, check.different) == (5, 0)


def test_differences_are_told_and_how_sure_they_are() -> None:
    check = QuoteCheck()
    check.note_quote(at(10))
    check.note_book(at(10, (100, 2)))
    check.note_book(at(11, (99, 1)))
    same, later = check.note_quote(at(12))
    assert same == QuoteDifference(at(10, (100, 2)), at(10))
    assert (same.is_certain, later.is_certain) == (True, False)
    assert (check.equal, check.different) == (0, 2)


def test_books_before_the_first_quote_are_not_judged() -> None:
    check = QuoteCheck()
    check.note_book(at(5))
    check.note_book(at(10))
    check.note_quote(at(10))
    check.note_quote(at(11))
    assert (check.equal, check.different) == (1, 0)


def test_books_of_a_broken_sequence_are_forgotten() -> None:
    check = QuoteCheck()
    check.note_quote(at(10))
    check.note_book(at(11, (1, 1)))
    check.forget_books()
    check.note_quote(at(12))
    assert (check.equal, check.different) == (0, 0)


def test_quotes_are_kept_up_to_the_bound() -> None:
    check = QuoteCheck()
    for number in range(MAX_QUOTES + 1):
        check.note_quote(at(number))
    check.note_book(at(0, (1, 1)))
    assert (check.equal, check.different) == (0, 0), "its quote made room for the newest"
    check.note_book(at(1))
    assert (check.equal, check.different) == (1, 0)
