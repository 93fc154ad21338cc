from typing import Any, Self, final

import numpy as np

PAGE_BYTES: int
PRIVATE_MARKET_SLOTS: int
LIVING_NS: int

@final
class SharedMemory:
    def __new__(
        cls,
        path: str | None,
        instruments: list[tuple[str, str, str]],
        strategies: list[str],
        engine_name: str = "",
        mode: str = "",
        start_time_ns: int = 0,
        market_ring_slots: int = ...,
        is_resident: bool = True,
    ) -> Self: ...
    @property
    def path(self) -> str: ...
    def write_text(self, now_ns: int, severity: int, text: str) -> None: ...
    def write_session(self, now_ns: int, session: int, state: int) -> None: ...
    def write_blob(
        self,
        now_ns: int,
        kind: int,
        payload: bytes,
        *,
        strategy: int = -1,
        code: int = 0,
        detail: int = 0,
        reference: int = 0,
    ) -> bool: ...
    def region(
        self, name: str, dtype: np.dtype[Any], count: int
    ) -> np.ndarray[Any, np.dtype[Any]]: ...
    def header_record(self) -> np.ndarray[Any, np.dtype[Any]]: ...
    def counters(self) -> dict[str, int]: ...
    def histogram(self, step: int) -> np.ndarray[Any, np.dtype[np.int64]]: ...
    def clear_histograms(self) -> None: ...
    def set_state(self, state: int, reason: str) -> None: ...
