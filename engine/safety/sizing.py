"""How large an order should be: functions for strategies, compiled with the hook that calls them.

All give whole lots from 0 to ``max_lots``, rounded down, and 0 for whatever cannot be reckoned with
(NaN, infinity, nothing or less). ``tick_value`` is what one tick on one lot is worth in the quote
currency: ``book.tick_size * book.lot_size``. The risk gate has the last word on every order.
"""

import math

from engine.kernel.kernel_function import kernel_function

ROUNDING = 1e-9
"""Relative: what floats miss of a whole lot is not a lot less."""
PERCENT = 100.0


@kernel_function
def fixed_lots(quantity_lots: int, max_lots: int) -> int:
    """Always the same, within ``max_lots``."""
    return max(0, min(quantity_lots, max_lots))


@kernel_function
def equity_lots(
    equity: float, percent: float, price_ticks: float, tick_value: float, max_lots: int
) -> int:
    """So many percent of the equity, as a notional at ``price_ticks``."""
    return whole_lots(equity * percent / PERCENT, price_ticks * tick_value, max_lots)


@kernel_function
def risk_lots(
    equity: float, percent: float, stop_ticks: float, tick_value: float, max_lots: int
) -> int:
    """What loses so many percent of the equity when a stop ``stop_ticks`` away is hit."""
    return whole_lots(equity * percent / PERCENT, stop_ticks * tick_value, max_lots)


@kernel_function
def volatility_lots(
    equity: float,
    percent: float,
    range_ticks: float,
    multiple: float,
    tick_value: float,
    max_lots: int,
) -> int:
    """What loses so many percent of the equity in a move of ``multiple`` average true ranges."""
    return whole_lots(equity * percent / PERCENT, range_ticks * multiple * tick_value, max_lots)


@kernel_function
def kelly_share(win_rate: float, win_loss_ratio: float, fraction: float, cap: float) -> float:
    """Share of the equity that Kelly's criterion stakes, ``fraction`` of it, at most ``cap``.

    ``win_rate`` is from 0 to 1, ``win_loss_ratio`` the average win over the average loss. Without
    an edge it is 0.0. Source: J. L. Kelly, A New Interpretation of Information Rate, 1956.
    """
    if not (0.0 <= win_rate <= 1.0 and win_loss_ratio > 0.0 and fraction > 0.0 and cap > 0.0):
        return 0.0
    share = (win_rate - (1.0 - win_rate) / win_loss_ratio) * fraction
    return min(max(share, 0.0), cap)


@kernel_function
def kelly_lots(
    equity: float,
    win_rate: float,
    win_loss_ratio: float,
    fraction: float,
    cap: float,
    price_ticks: float,
    tick_value: float,
    max_lots: int,
) -> int:
    """``kelly_share`` of the equity, as a notional at ``price_ticks``."""
    share = kelly_share(win_rate, win_loss_ratio, fraction, cap)
    return whole_lots(equity * share, price_ticks * tick_value, max_lots)


@kernel_function
def whole_lots(amount: float, amount_of_a_lot: float, max_lots: int) -> int:
    """How often one goes into the other."""
    if not (amount > 0.0 and amount_of_a_lot > 0.0 and max_lots > 0):
        return 0
    lots = amount / amount_of_a_lot * (1.0 + ROUNDING)
    if math.isnan(lots) or amount == math.inf or amount_of_a_lot == math.inf:
        return 0
    if lots >= max_lots:
        return max_lots
    return math.floor(lots)
