from typing import final

from ext.feed_decoder import FeedDecoder

@final
class KrakenV1Feed(FeedDecoder): ...
