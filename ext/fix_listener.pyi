from collections.abc import Callable
from typing import Self, final

from ext.codecs.fix_frame import GARBLED_TEXTS as GARBLED_TEXTS
from ext.codecs.fix_report import FixReportDecoder
from ext.loop_meter import LoopMeter
from ext.pipeline import Pipeline
from ext.session_store import SessionStore
from ext.tls_channel import TlsChannel

@final
class FixListener:
    def __new__(
        cls,
        store: SessionStore,
        pipeline: Pipeline | None,
        decoder: FixReportDecoder | None,
        on_message: Callable[[bytes], object],
        on_garbled: Callable[[str, bytes], object],
        on_bad_report: Callable[[bytes], object] | None = None,
        on_notices: Callable[[int], object] | None = None,
        meter: LoopMeter | None = None,
        channel: TlsChannel | None = None,
    ) -> Self: ...
    def read(self, descriptor: int) -> int: ...
    def receive(self, data: bytes, now_ns: int = 0) -> None: ...
    def reset(self) -> None: ...
    def apply_message(self, message: bytes, now_ns: int = 0) -> bool: ...
