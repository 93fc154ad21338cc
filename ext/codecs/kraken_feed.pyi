from typing import final

from ext.feed_decoder import FeedDecoder

DEPTHS: tuple[int, ...]

@final
class KrakenFeed(FeedDecoder):
    @property
    def depth(self) -> int: ...
    @depth.setter
    def depth(self, levels: int) -> None: ...
