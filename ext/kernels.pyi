from typing import Any, final

import numpy as np

HOOKS: tuple[str, ...]

@final
class StrategyTable:
    @property
    def count(self) -> int: ...
    def add(
        self,
        instrument: int,
        state: np.ndarray[Any, np.dtype[Any]],
        addresses: dict[str, int],
        bar_interval_ns: int = 0,
        timer_interval_ns: int = 0,
        owner: object = None,
        persistent: tuple[int, int] = (0, 0),
    ) -> int: ...
