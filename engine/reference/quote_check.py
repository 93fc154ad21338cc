"""Holds the best prices of rebuilt books against the quotes that the venue sends beside them.

Binance's ``bookTicker`` carries the id of the book update that it shows. Between two of them the
best bid and ask have not changed: behind an update of id *u* the book's best levels are those of
the last quote with an id up to *u*, which is known when a later quote has come.
"""

from collections import deque
from dataclasses import dataclass

MAX_QUOTES = 65_536
"""Quotes kept until an update with a later id comes: minutes of the busiest product seen."""

Level = tuple[int, int]
"""Price in ticks and quantity in lots, both zero for an empty side."""
Quote = tuple[int, Level, Level]
"""Id of the book update, best bid, best ask."""


@dataclass(frozen=True, slots=True)
class QuoteDifference:
    """A book whose best levels are not those of the quote."""

    book: Quote
    quote: Quote

    @property
    def is_certain(self) -> bool:
        """Both are of the same update: no other quote can have been left out between them."""
        return self.book[0] == self.quote[0]


class QuoteCheck:
    """The quotes and the books of one product on one connection, each in the order of their ids.

    Either may be ahead of the other by some frames.
    """

    def __init__(self) -> None:
        self._books: deque[Quote] = deque()
        self._quotes: deque[Quote] = deque(maxlen=MAX_QUOTES)
        self.equal = 0
        self.different = 0

    def note_book(self, book: Quote) -> list[QuoteDifference]:
        """The best levels behind an update."""
        self._books.append(book)
        return self._settle()

    def note_quote(self, quote: Quote) -> list[QuoteDifference]:
        """What the venue says that the best levels are."""
        self._quotes.append(quote)
        return self._settle()

    def forget_books(self) -> None:
        """Books that still wait are not to be judged: the sequence was broken."""
        self._books.clear()

    def _settle(self) -> list[QuoteDifference]:
        found = []
        while self._books and self._quotes and self._quotes[-1][0] > self._books[0][0]:
            book = self._books.popleft()
            while len(self._quotes) > 1 and self._quotes[1][0] <= book[0]:
                self._quotes.popleft()
            quote = self._quotes[0]
            if quote[0] > book[0]:
                continue  # no quote yet when the book was there
            if quote[1:] == book[1:]:
                self.equal += 1
            else:
                self.different += 1
                found.append(QuoteDifference(book, quote))
        return found
