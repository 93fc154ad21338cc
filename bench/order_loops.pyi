import numpy as np
from numpy.typing import NDArray

from ext.pipeline import Pipeline

def apply_fills(pipeline: Pipeline, order_number: int, count: int, start_time_ns: int) -> int: ...
def check_intents(
    pipeline: Pipeline, intents: NDArray[np.int64], start_time_ns: int, gap_ns: int
) -> int: ...
