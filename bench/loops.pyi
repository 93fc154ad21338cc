from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ext.book import OrderBook
from ext.codecs.coinbase_rest_order import CoinbaseRestOrderEncoder
from ext.codecs.fix_order import FixOrderEncoder
from ext.codecs.fix_report import FixReportDecoder
from ext.feed_decoder import FeedDecoder
from ext.order_encoder import OrderEncoder
from ext.pipeline import Pipeline

HASH_START: int

def hash_numbers(numbers: NDArray[np.int64], start: int = ...) -> int: ...
def time_calls(
    function: Callable[[Any], object], arguments: list[Any], samples: NDArray[np.int64]
) -> int: ...
def time_frames(
    pipeline: Pipeline,
    payloads: list[bytes],
    start_time_ns: int,
    gap_ns: int,
    samples: NDArray[np.int64],
) -> int: ...
def time_decodes(
    decoder: FeedDecoder, payloads: list[bytes], samples: NDArray[np.int64]
) -> tuple[int, int]: ...
def time_changes(books: list[OrderBook], changes: NDArray[np.int64]) -> tuple[int, int]: ...
def time_encodes(encoder: FixOrderEncoder, requests: NDArray[np.int64]) -> tuple[int, int]: ...
def time_requests(
    encoder: OrderEncoder,
    requests: NDArray[np.int64],
    sealing: CoinbaseRestOrderEncoder | None = None,
) -> tuple[int, int]: ...
def time_reports(
    decoder: FixReportDecoder, messages: list[bytes], repeats: int
) -> tuple[int, int]: ...
