"""Exact decimal text of integer tick and lot counts, and short text of durations."""

from decimal import Decimal, InvalidOperation

from ext.errors import UsageError


class DecimalStep:
    """One tick or lot, from its decimal text; turns counts of it into text without floats."""

    __slots__ = ("_size", "decimals", "text", "unit")

    def __init__(self, text: str) -> None:
        """``text`` is the size of one step, a positive decimal such as ``0.01`` or ``5``.

        Raises UsageError when it is not.
        """
        try:
            step = Decimal(text)
        except InvalidOperation:
            step = Decimal(0)
        if not step.is_finite() or step <= 0:
            raise UsageError(f"step {text!r} is not a positive decimal such as 0.01")
        self.text = text
        self.decimals = max(0, -int(step.as_tuple().exponent))
        self.unit = int(step.scaleb(self.decimals))
        self._size = float(step)

    def format(self, count: int) -> str:
        """Decimal text of ``count`` steps, always with the step's number of decimals."""
        value = count * self.unit
        if not self.decimals:
            return str(value)
        whole, fraction = divmod(abs(value), 10**self.decimals)
        return f"{'-' if value < 0 else ''}{whole}.{fraction:0{self.decimals}d}"

    def format_average(self, count: float) -> str:
        """Decimal text of a fractional count (an average price), two decimals finer."""
        value = Decimal(count) * self.unit / 10**self.decimals
        return f"{value:.{self.decimals + 2}f}"

    def to_float(self, count: float) -> float:
        """Size of ``count`` steps for P&L arithmetic, which is a report and may round."""
        return count * self._size


def format_duration_ns(duration_ns: int) -> str:
    """Three significant digits and a unit, at most 7 characters: ``850 ns``, ``12.3 µs``."""
    if duration_ns < 1_000:
        return f"{duration_ns} ns"
    for limit, unit in ((1_000_000, "µs"), (1_000_000_000, "ms"), (1_000_000_000_000, "s")):
        if duration_ns < limit:
            value = duration_ns * 1_000 / limit
            decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{decimals}f} {unit}"
    return f"{duration_ns / 1e9:.0f} s"


def format_uptime(duration_ns: int) -> str:
    """Hours, minutes and seconds as ``h:mm:ss``; negative durations show as zero."""
    seconds = max(0, duration_ns) // 1_000_000_000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
