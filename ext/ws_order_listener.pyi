from collections.abc import Callable
from typing import final

from picows import WSFrame, WSListener, WSTransport

from ext.codecs.binance_report import AnswerStatus, BinanceReportDecoder
from ext.feed_decoder import PADDING as PADDING
from ext.pipeline import Pipeline
from ext.ws_sender import WsSender

@final
class WsOrderListener(WSListener):
    def __init__(
        self,
        pipeline: Pipeline,
        decoder: BinanceReportDecoder,
        sender: WsSender,
        on_connected: Callable[[WSTransport], object],
        on_disconnected: Callable[[WSTransport], object],
        on_message: Callable[[bytes, AnswerStatus], object],
        on_bad_report: Callable[[bytes], object],
        on_notices: Callable[[int], object],
    ) -> None: ...
    def on_ws_connected(self, transport: WSTransport) -> None: ...
    def on_ws_disconnected(self, transport: WSTransport) -> None: ...
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None: ...
    def receive(self, payload: bytes) -> None: ...
    def apply_told(
        self,
        client_order_id: str,
        fields: dict[str, object],
        trades: list[dict[str, object]],
    ) -> bool: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
