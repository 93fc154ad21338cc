"""What a hook reads of a book beyond its arrays: prices between the sides, depth, and what an order
that takes would pay.

``book`` is the view of the best ``Bound.BOOK_VIEW_LEVELS`` levels; ``side`` is the Side of the
order that would take: BUY takes asks. Nothing here keeps anything or allocates.
"""

import math
from typing import Any

from engine.kernel.kernel_function import kernel_function


@kernel_function
def spread(book: Any) -> float:
    """Best ask minus best bid in ticks; NaN when a side is empty."""
    if book.bid_levels == 0 or book.ask_levels == 0:
        return math.nan
    return float(book.ask_ticks[0] - book.bid_ticks[0])


@kernel_function
def mid_price(book: Any) -> float:
    """Mean of best bid and ask in ticks; NaN when a side is empty."""
    if book.bid_levels == 0 or book.ask_levels == 0:
        return math.nan
    return 0.5 * float(book.bid_ticks[0] + book.ask_ticks[0])


@kernel_function
def microprice(book: Any) -> float:
    """Best bid and ask in ticks, each weighted with the quantity of the other side.

    It leans to the side with less quantity, where the next move goes. NaN when a side is empty.
    """
    if book.bid_levels == 0 or book.ask_levels == 0:
        return math.nan
    bid_lots, ask_lots = float(book.bid_lots[0]), float(book.ask_lots[0])
    weighted = float(book.bid_ticks[0]) * ask_lots + float(book.ask_ticks[0]) * bid_lots
    return weighted / (bid_lots + ask_lots)


@kernel_function
def imbalance(book: Any, levels: int) -> float:
    """(bid - ask) / (bid + ask) of the lots in the first ``levels`` levels, from -1 to 1.

    At most ``Bound.BOOK_VIEW_LEVELS`` levels are seen. NaN when both sides are empty.
    """
    bid_lots = 0
    for i in range(min(levels, book.bid_levels)):
        bid_lots += book.bid_lots[i]
    ask_lots = 0
    for i in range(min(levels, book.ask_levels)):
        ask_lots += book.ask_lots[i]
    total = bid_lots + ask_lots
    return (bid_lots - ask_lots) / total if total > 0 else math.nan


@kernel_function
def cumulative_lots(book: Any, side: int, levels: int) -> int:
    """Lots that an order of ``side`` finds in the first ``levels`` levels; 0: there are none."""
    lots = 0
    if side > 0:
        for i in range(min(levels, book.ask_levels)):
            lots += book.ask_lots[i]
    else:
        for i in range(min(levels, book.bid_levels)):
            lots += book.bid_lots[i]
    return lots


@kernel_function
def sweep_price(book: Any, side: int, quantity_lots: int) -> float:
    """Mean price in ticks of taking ``quantity_lots`` (at least 1) at once, level by level.

    NaN when the view does not hold that many.
    """
    missing = quantity_lots
    paid = 0.0
    for i in range(book.ask_levels if side > 0 else book.bid_levels):
        lots = min(missing, book.ask_lots[i] if side > 0 else book.bid_lots[i])
        paid += float(lots) * float(book.ask_ticks[i] if side > 0 else book.bid_ticks[i])
        missing -= lots
        if missing <= 0:
            return paid / float(quantity_lots)
    return math.nan


@kernel_function
def sweep_limit_ticks(book: Any, side: int, quantity_lots: int) -> int:
    """Price in ticks of the last level that such an order reaches: its limit. 0 when the view does
    not hold that many lots."""
    missing = quantity_lots
    for i in range(book.ask_levels if side > 0 else book.bid_levels):
        missing -= book.ask_lots[i] if side > 0 else book.bid_lots[i]
        if missing <= 0:
            return int(book.ask_ticks[i] if side > 0 else book.bid_ticks[i])
    return 0
