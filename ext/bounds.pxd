"""Every bound of the kernel, named once. What happens at each is tested under its name.

Compile-time constants: the arrays that they size are preallocated at start and never grow.
"""

cpdef enum Bound:
    MAX_INSTRUMENTS = 64            # more in the config: refused at start
    MAX_STRATEGIES = 16             # more in the config: refused at start
    SYMBOL_BYTES = 24               # a longer product id: refused at start
    MAX_LEVELS_PER_SIDE = 65536     # one more level: the book goes STALE (LEVELS_FULL)
    BOOK_VIEW_LEVELS = 10           # depth that strategies and the monitor see
    MAX_EVENTS_PER_FRAME = 64       # more in a frame: the frame is refused (TOO_MANY_EVENTS)
    MAX_DELTAS_PER_FRAME = 131072   # more in a frame: the frame is refused (TOO_MANY_DELTAS)
    MAX_TRADES_PER_FRAME = 1024     # more in a frame: the frame is refused (TOO_MANY_TRADES)
    FRAME_PADDING_BYTES = 64        # readable bytes behind every payload; picows keeps 256
    MAX_INTENTS_PER_CALL = 8        # a strategy's ninth intent in one call is dropped and counted
    MAX_WORKING_ORDERS = 16         # per strategy; one more new order is rejected (OPEN_ORDERS)
    MAX_ORDERS = 4096               # order table; a slot whose order is open is never reused
    MAX_REQUESTS = 16384            # client ids whose order is known; reports of older ones are not
    MAX_EXECUTION_IDS = 32768       # newest fills remembered for deduplication (up to twice that)
    MAX_RATE_WINDOW = 1024          # largest configurable messages per second
    MAX_LONG_RATE_WINDOW = 16384    # largest configurable messages per ten seconds
    MAX_CURRENCIES = 8              # quote currencies with limits; more in the config: refused
    MAX_TRADING_WINDOWS = 32        # of a product in a week; more in the config: refused at start
    CLIENT_ORDER_ID_BYTES = 36      # a UUID in text form
    VENUE_ORDER_ID_BYTES = 40       # a longer OrderID(37) is refused as a bad report
    MAX_FIX_MESSAGE_BYTES = 65536   # a larger BodyLength is garbled
    OUTGOING_SLOTS = 4096           # FIX messages kept for a resend; older ones are gap filled
    OUTGOING_SLOT_BYTES = 1024      # a longer message is not kept: it is gap filled
    HISTOGRAM_BUCKETS = 2048        # 32 per power of two of nanoseconds; the last takes the rest
    RING_SLOTS = 65536              # of the order ring, 128 bytes each: 8 MiB
    RING_RESERVE = 16384            # slots that only order records may use
    MARKET_RING_SLOTS = 262144      # of the market ring: 32 MiB; when full, frames go unrecorded
    BLOB_PAYLOAD_BYTES = 72         # of a blob that stand in its head; the rest fills slots behind
    TEXT_BYTES = 80                 # text of a TEXT record; longer text is cut
