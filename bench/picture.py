"""Latency percentiles as a picture: one panel for each figure, one curve for each contender.

The horizontal axis counts nines, so that the tail has room; the vertical one is logarithmic. The
same figures give the same file, byte for byte.
"""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.typing import RcKeyType

from bench.harness import Figure, Outcome
from bench.report import format_value

PANELS = ("wire_to_wire.busy", "wire_to_wire.blocking", "tick_to_order.generated")
"""Figures that are drawn, in this order."""

PERCENTS = (50, 90, 99, 99.9, 99.99)

_POINTS = 120  # of a curve
_HEADROOM = 0.22  # of the panel's height, for the legend
_PANEL_INCHES = (4.3, 3.9)
# Okabe and Ito: told apart by every eye, and in grey. Ours first.
_COLOURS = ("#0072b2", "#000000", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_SETTINGS: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "wow-engine",  # names of clip paths, otherwise random
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
}


def make_picture(figures: Sequence[Figure], caption: str) -> str:
    """The figures among ``figures`` that are drawn, as SVG; empty when there is none of them.

    ``caption`` stands below: machine and date, without which no number can be quoted.
    """
    by_name = {figure.trial.name: figure for figure in figures}
    drawn = [by_name[name] for name in PANELS if name in by_name]
    if not drawn:
        return ""
    with matplotlib.rc_context(_SETTINGS):
        width, height = _PANEL_INCHES
        canvas = Canvas(figsize=(width * len(drawn), height), layout="constrained")
        FigureCanvasSVG(canvas)
        for axes, figure in zip(
            canvas.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True
        ):
            _draw(axes, figure)
        canvas.supxlabel(caption, fontsize=8, color="#555555")
        file = io.StringIO()
        canvas.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    # Blanks at line ends would be the only ones in the repository.
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def nines(percents: Sequence[float]) -> list[float]:
    """Where percentiles stand on the axis: 90 at 1, 99 at 2, 99.9 at 3."""
    return [-float(np.log10(1 - percent / 100)) for percent in percents]


def curve(outcome: Outcome) -> tuple[list[float], list[float]]:
    """Positions in nines and values of one contender, as far as its samples reach.

    The last position is that of the largest but one: what lies further was not measured.
    """
    if outcome.samples is None:
        return [], []
    first, last = nines((PERCENTS[0], PERCENTS[-1]))
    reach = min(last, float(np.log10(len(outcome.samples))))
    at = np.linspace(first, max(first, reach), _POINTS)
    values = np.quantile(outcome.samples, 1 - 10**-at, method="inverted_cdf")
    return at.tolist(), values.tolist()


def _draw(axes: Axes, figure: Figure) -> None:
    for outcome, colour in zip(figure.outcomes, _COLOURS, strict=False):
        at, values = curve(outcome)
        if not at:
            continue
        is_ours = outcome is figure.outcomes[0]
        width = 2.2 if is_ours else 1.4
        axes.plot(at, values, color=colour, linewidth=width, label=outcome.name)
    axes.set_title(figure.trial.name, fontsize=10)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_value(value, "ns")))
    axes.yaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** _HEADROOM)
    axes.set_xticks(nines(PERCENTS), [f"{percent:g} %" for percent in PERCENTS])
    axes.grid(True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", frameon=False, fontsize=8)
