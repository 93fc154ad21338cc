from typing import final

from ext.feed_decoder import FeedDecoder

@final
class BinanceFeed(FeedDecoder): ...
