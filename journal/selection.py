"""Which records a command is about."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ext.errors import UsageError
from journal.entries import MARKET_KINDS, Entry
from journal.fields import KINDS, order_number_of
from journal.run import Run


@dataclass(frozen=True, slots=True)
class Selection:
    """Records of any of the kinds, instruments and strategies; empty: of all. ``order_number`` 0:
    about any order or none. Times are half open: from, and up to."""

    kinds: frozenset[int] = frozenset()
    instruments: frozenset[int] = frozenset()
    strategies: frozenset[int] = frozenset()
    order_number: int = 0
    from_ns: int | None = None
    to_ns: int | None = None

    @property
    def may_be_market(self) -> bool:
        """Whether a record of the market stream may be one of them: those are about no strategy
        and no order."""
        has_kind = not self.kinds or bool(self.kinds & MARKET_KINDS)
        return has_kind and not self.strategies and not self.order_number

    def matches(self, entry: Entry) -> bool:
        """Whether a record is one of them; its time is looked at too."""
        record = entry.record
        return (
            (not self.kinds or entry.kind in self.kinds)
            and (not self.instruments or int(record["instrument"]) in self.instruments)
            and (not self.strategies or int(record["strategy"]) in self.strategies)
            and (not self.order_number or order_number_of(entry) == self.order_number)
            and (self.from_ns is None or entry.time_ns >= self.from_ns)
            and (self.to_ns is None or entry.time_ns < self.to_ns)
        )

    def apply(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Those that match."""
        return (entry for entry in entries if self.matches(entry))


def select(
    run: Run,
    *,
    kinds: Iterable[str] = (),
    instruments: Iterable[str] = (),
    strategies: Iterable[str] = (),
    order_number: int = 0,
    from_ns: int | None = None,
    to_ns: int | None = None,
) -> Selection:
    """A selection by names, as an operator gives them; UsageError for one that is not known."""
    known_kinds = [(name.lower(), number) for number, name in KINDS.items()]
    return Selection(
        kinds=_numbers("kind", (kind.lower() for kind in kinds), known_kinds),
        instruments=_numbers(
            "instrument",
            instruments,
            [(each.symbol, number) for number, each in enumerate(run.instruments)],
        ),
        strategies=_numbers(
            "strategy", strategies, [(name, number) for number, name in enumerate(run.strategies)]
        ),
        order_number=order_number,
        from_ns=from_ns,
        to_ns=to_ns,
    )


def _numbers(what: str, wanted: Iterable[str], known: list[tuple[str, int]]) -> frozenset[int]:
    """One name may stand for several: two strategies of one class."""
    found = set()
    for name in wanted:
        numbers = {number for each, number in known if each == name}
        if not numbers:
            allowed = ", ".join(dict.fromkeys(each for each, _ in known))
            raise UsageError(f"--{what} was {name!r}; use one of {allowed}")
        found |= numbers
    return frozenset(found)
