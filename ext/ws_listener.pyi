from collections.abc import Callable
from typing import final

from picows import WSFrame, WSListener, WSTransport

from ext.feed_decoder import PADDING as PADDING
from ext.loop_meter import LoopMeter
from ext.pipeline import Pipeline

MAX_FRAGMENTED_BYTES: int

@final
class FeedListener(WSListener):
    def __init__(
        self,
        pipeline: Pipeline,
        on_connected: Callable[[WSTransport], object],
        on_disconnected: Callable[[WSTransport], object],
        on_control: Callable[[bytes, int, int], object],
        on_notices: Callable[[int], object],
        meter: LoopMeter | None = None,
        on_frame: Callable[[int, int], object] | None = None,
    ) -> None: ...
    def on_ws_connected(self, transport: WSTransport) -> None: ...
    def on_ws_disconnected(self, transport: WSTransport) -> None: ...
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None: ...
