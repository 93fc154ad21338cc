"""Plays worlds with a planted bug until a checker objects."""

# tidy-ok: a helper of the tests of checkers

from collections.abc import Callable, Iterator

from sim.world.checkers import WorldError
from sim.world.faults import FaultPlan
from sim.world.world import World

SEEDS = 12
Plant = Callable[[World], None]


def play_until_caught(plant: Plant, protocol: str = "fix", **faults: float) -> str:
    """The name of the checker that objects first, over SEEDS seeds; empty: none did."""
    return next(all_who_catch(plant, protocol, **faults), "")


def all_who_catch(plant: Plant, protocol: str = "fix", **faults: float) -> Iterator[str]:
    """The names of the checkers that object, one for each of SEEDS seeds at most."""
    return (error.checker for error in all_errors(plant, protocol, **faults))


def all_errors(plant: Plant, protocol: str = "fix", **faults: float) -> Iterator[WorldError]:
    """What they object to."""
    for seed in range(1, SEEDS + 1):
        plan = FaultPlan(**faults)  # type: ignore[arg-type]
        try:
            World(seed, plan, plant, protocol).run()
        except WorldError as error:
            yield error
