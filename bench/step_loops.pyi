from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.loops import HASH_START as HASH_START
from ext.kernels import StrategyTable
from ext.orders import OrderTable
from ext.pipeline import Pipeline
from ext.risk import RiskGate
from ext.shared_memory import SharedMemory

_Rows = NDArray[np.int64]
_Records = np.ndarray[Any, np.dtype[Any]]

def time_hook(address: int, state: _Records, books: _Records) -> tuple[int, int]: ...
def time_decisions(table: StrategyTable, books: _Records) -> tuple[int, int]: ...
def time_checks(
    gate: RiskGate, orders: OrderTable, book: _Records, rows: _Rows
) -> tuple[int, int]: ...
def time_orders(orders: OrderTable, rows: _Rows) -> tuple[int, int]: ...
def time_records(memory: SharedMemory, rows: _Rows) -> int: ...
def time_blobs(memory: SharedMemory, payloads: list[bytes], is_market: bool) -> int: ...
def time_books(
    pipeline: Pipeline, payloads: list[bytes], receive_time_ns: int, samples: _Rows, best: _Rows
) -> int: ...
