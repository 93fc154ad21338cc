"""The picture is the same for the same figures, and shows what was measured as far as it was."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from bench.harness import Contender, Figure, Outcome, Trial, run_trial
from bench.picture import PANELS, PERCENTS, curve, make_picture, nines
from bench.suite import BENCHMARKS

MakeContender = Callable[..., Contender]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def figure(make_contender: MakeContender) -> Figure:
    """One that is drawn, with two contenders that have samples and one that has none."""
    contenders = (
        make_contender("ours & fast", [0], samples=range(1_000, 3_000)),
        make_contender("theirs", [0], samples=range(2_000, 9_000, 7)),
        make_contender("a mean", [10]),
    )
    return run_trial(Trial(PANELS[0], contenders), 1)


def outcome(samples: Sequence[int]) -> Outcome:
    return Outcome("a", (1.0,), 7, len(samples), np.array(samples, np.int64))


def test_nines_are_counted() -> None:
    assert nines([90, 99, 99.9]) == pytest.approx([1, 2, 3])
    assert nines([50]) == pytest.approx([0.30103])


def test_a_curve_goes_through_the_samples() -> None:
    at, values = curve(outcome(range(1, 100_001)))
    assert (at[0], at[-1]) == pytest.approx(tuple(nines((PERCENTS[0], PERCENTS[-1]))))
    assert values[0] == 50_000
    assert values[-1] == 99_990
    assert values == sorted(values)


def test_a_curve_ends_where_the_samples_do() -> None:
    at, values = curve(outcome(range(1, 1_001)))
    assert at[-1] == pytest.approx(3)
    assert values[-1] == 999
    assert curve(outcome([5]))[1] == [5] * len(curve(outcome([5]))[0])
    assert curve(Outcome("a", (1.0,), 7, 1, None)) == ([], [])


def test_the_same_figures_give_the_same_text(figure: Figure) -> None:
    picture = make_picture([figure], "machine, date")
    assert picture == make_picture([figure], "machine, date")
    assert picture.endswith("</svg>\n")
    assert not [line for line in picture.splitlines() if line != line.rstrip()]
    texts = [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    for wanted in (PANELS[0], "ours & fast", "theirs", "machine, date", "50 %", "99.99 %", "5 µs"):
        assert wanted in texts
    assert "a mean" not in texts


def test_without_its_figures_there_is_no_picture(figure: Figure) -> None:
    other = figure._replace(trial=figure.trial._replace(name="other"))
    assert make_picture([other], "") == ""
    assert make_picture([], "") == ""


def test_what_is_drawn_is_measured() -> None:
    assert {name.partition(".")[0] for name in PANELS} <= BENCHMARKS.keys()
