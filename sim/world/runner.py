"""Plays worlds, one after the other or in several processes, and keeps what a failure needs."""

import concurrent.futures
import functools
import gc
import itertools
import multiprocessing
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sim.world.checkers import WorldError
from sim.world.world import Outcome, World

CHUNK_SEEDS = 8
CHUNKS_AHEAD = 4
"""Of each process: work that waits for it, so that it never waits for work."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A world in which something did not hold, with its last events."""

    seed: int
    checker: str
    text: str
    lines: tuple[str, ...]


def play(seed: int, protocol: str = "") -> Outcome | Failure:
    """Plays one world; whatever goes wrong in it is a ``Failure``, never an exception.

    ``protocol`` of orders: "fix", "rest", or empty for what the seed draws."""
    lines: Iterable[str] = ()
    try:
        world = World(seed, protocol=protocol)
        lines = world.trace.lines
        return world.run()
    except WorldError as error:
        return Failure(seed, error.checker, str(error), tuple(lines))
    except Exception as error:  # of the engine, which has to survive everything here
        where = "".join(traceback.format_exception(error))
        return Failure(seed, type(error).__name__, where, tuple(lines))


def play_twice(seed: int, protocol: str = "") -> Outcome | Failure:
    """Plays one world two times: the outcomes have to be equal, hashes included."""
    first, second = play(seed, protocol), play(seed, protocol)
    if isinstance(first, Failure) or first == second:
        return first
    return Failure(seed, "SameSeedSameRun", f"{first}\nthen\n{second}", ())


def play_many(
    seeds: Iterable[int], jobs: int, *, is_twice: bool = False, protocol: str = ""
) -> Iterator[Outcome | Failure]:
    """Outcomes of many worlds, in the order of the seeds; ``jobs`` processes, 1: this one."""
    one = functools.partial(play_twice if is_twice else play, protocol=protocol)
    if jobs == 1:
        for seed in seeds:
            yield one(seed)
            gc.collect()
        return
    for each in ("fix", "rest"):
        play(0, each)  # compiles the strategies once, before there are processes to do it each
    remaining = iter(seeds)
    context = multiprocessing.get_context("fork")
    # What a process inherits, the compiler above all, is not searched again after each world.
    with concurrent.futures.ProcessPoolExecutor(
        jobs, mp_context=context, initializer=gc.freeze
    ) as pool:
        waiting: list[concurrent.futures.Future[list[Outcome | Failure]]] = []
        while True:
            while len(waiting) < jobs * CHUNKS_AHEAD:
                chunk = list(itertools.islice(remaining, CHUNK_SEEDS))
                if not chunk:
                    break
                waiting.append(pool.submit(_play_chunk, chunk, one))
            if not waiting:
                return
            outcomes = waiting.pop(0).result()
            if any(isinstance(each, Failure) for each in outcomes):
                pool.shutdown(wait=False, cancel_futures=True)
                yield from outcomes
                return
            yield from outcomes


def _play_chunk(
    seeds: list[int], one: Callable[[int], Outcome | Failure]
) -> list[Outcome | Failure]:
    outcomes = [one(seed) for seed in seeds]
    gc.collect()  # an engine is a knot of callbacks around some tens of megabytes
    return outcomes
