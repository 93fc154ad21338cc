from typing import Self, final

from ext.shared_memory import SharedMemory

GUARD_BYTES: int
UNITS: tuple[str, ...]

@final
class PositionGuard:
    def __new__(cls, memory: SharedMemory) -> Self: ...
    @property
    def count(self) -> int: ...
    def set_limits(
        self,
        strategy: int,
        *,
        stop: dict[str, float] | None = None,
        trailing: dict[str, float] | None = None,
        break_even_after: dict[str, float] | None = None,
        targets: tuple[tuple[dict[str, float], int], ...] = (),
        max_hold_ns: int = 0,
        max_entries: int = 0,
        min_reward_to_risk: float = 0.0,
        slippage_ppm: int = 0,
        range_bar_ns: int = 60_000_000_000,
        range_period: int = 14,
    ) -> None: ...
    def load(self, strategy: int, kept: bytes) -> None: ...
    def average_range(self, strategy: int) -> float: ...
