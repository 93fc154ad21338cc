"""The nouns of the engine: every record that travels from one step of the arc to the next.

Units come last in a name. Prices are counts of the instrument's tick (``_ticks``), quantities
counts of its lot (``_lots``), times nanoseconds (``_ns``) since the Unix epoch unless said
otherwise. ``ext/dtypes.py`` holds the same records as NumPy dtypes; ``tests/ext/test_layout.py``
keeps the two equal.
"""

from libc.stdint cimport int32_t, int64_t

from ext.bounds cimport (
    BLOB_PAYLOAD_BYTES,
    BOOK_VIEW_LEVELS,
    CLIENT_ORDER_ID_BYTES,
    MAX_INTENTS_PER_CALL,
    MAX_WORKING_ORDERS,
    VENUE_ORDER_ID_BYTES,
)
from ext.loop_source cimport LOOP_SOURCE_COUNT


# Values are written to disk and to shared memory: append, never renumber, never reuse.

cpdef enum Side:
    BUY = 1
    SELL = -1

cpdef enum BookState:
    CONNECTING = 0                  # no connection
    BUFFERING = 1                   # snapshot applied, the update that follows it awaited
    SYNCING = 2                     # subscribed, no snapshot yet
    LIVE = 3                        # equal to the venue's book as far as we can know
    STALE = 4                       # not to be traded on; a new snapshot is asked for

cpdef enum StaleReason:
    NOT_STALE = 0
    DISCONNECTED = 1
    SILENCE = 2                     # no frame for longer than the configured limit
    SEQUENCE_GAP = 3
    CHECKSUM = 4
    CROSSED = 5
    LEVELS_FULL = 6                 # MAX_LEVELS_PER_SIDE reached
    BAD_FRAME = 7                   # a frame that should have been understood was not
    BAD_NUMBER = 8                  # not a number, off the tick or lot, out of range
    UNKNOWN_LEVEL = 9               # a change before any snapshot

cpdef enum FeedEventKind:
    SNAPSHOT = 1
    UPDATE = 2
    TRADES = 3
    HEARTBEAT = 4
    QUOTE = 5                       # best bid and ask as two deltas; not applied to any book

cpdef enum FeedStatus:
    FEED_OK = 0
    FEED_CONTROL = 1                # well formed, for the session: acks, errors, other channels
    FEED_BAD_JSON = 2               # truncated or not JSON
    FEED_BAD_TYPE = 3               # a field of another JSON type than the venue documents
    FEED_MISSING_FIELD = 4
    FEED_BAD_NUMBER = 5             # not a decimal number, or out of range
    FEED_OFF_STEP = 6               # a price off the tick or a quantity off the lot
    FEED_UNKNOWN_PRODUCT = 7
    FEED_BAD_SIDE = 8
    FEED_BAD_TIME = 9
    FEED_TOO_MANY_EVENTS = 10
    FEED_TOO_MANY_DELTAS = 11
    FEED_TOO_MANY_TRADES = 12

cpdef enum IntentKind:
    NEW_ORDER = 1
    CANCEL_ORDER = 2
    REPLACE_ORDER = 3

cpdef enum OrderType:
    LIMIT = 1                       # market orders have no price to hold a collar against

cpdef enum TimeInForce:
    GOOD_TILL_CANCEL = 1
    IMMEDIATE_OR_CANCEL = 2
    FILL_OR_KILL = 3

cpdef enum Verdict:
    ACCEPTED = 0
    ENGINE_PAUSED = 1
    BOOK_NOT_LIVE = 2               # not LIVE, or the last frame is older than stale_after_ns
    QUANTITY_INVALID = 3            # zero, negative, above max_order_quantity
    PRICE_INVALID = 4               # zero, negative, or the product overflows
    NOTIONAL = 5
    PRICE_COLLAR = 6
    POSITION_LIMIT = 7              # worst case with all open orders of that side filled
    OPEN_ORDERS = 8                 # count of the strategy, the instrument or the engine
    MESSAGE_RATE = 9
    DUPLICATE = 10
    UNKNOWN_ORDER = 11              # cancel or replace of an order that is not ours or not open
    ALREADY_PENDING = 12            # a cancel or replace of that order awaits its answer
    SESSION_DOWN = 13
    INTENT_INVALID = 14             # unknown kind, side, type or time in force
    JOURNAL_BEHIND = 15             # the journal cannot be written, or its ring is nearly full
    OPEN_NOTIONAL = 16              # open orders of the instrument, or of the quote currency
    SELF_MATCH = 17                 # it would trade with an open order of ours
    OUTSIDE_HOURS = 18
    BELOW_MINIMUM = 19              # quantity or notional that the venue would refuse
    EXPOSURE = 20                   # worth of positions: of the strategy, or of the quote currency
    ENGINE_KILLED = 21              # the kill word is set: nothing but cancels
    STRATEGY_PAUSED = 22            # a breaker, or a person, has paused the strategy
    NOT_PERMITTED = 23              # the jurisdiction table forbids this product at its venue here
    ENTRY_REFUSED = 24              # position management: exit under way, ratio, too many entries

cpdef enum OrderState:              # FIX OrdStatus(39) where it has one
    NO_ORDER = 0
    PENDING_NEW = 1
    NEW = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    PENDING_CANCEL = 5
    CANCELED = 6
    PENDING_REPLACE = 7
    REJECTED = 8
    EXPIRED = 9
    SUSPENDED = 10
    UNKNOWN = 11                    # the venue has to be asked; never assumed

cpdef enum ExecutionType:           # FIX ExecType(150)
    EXEC_NEW = 0
    EXEC_CANCELED = 1
    EXEC_REPLACED = 2
    EXEC_REJECTED = 3
    EXEC_EXPIRED = 4
    EXEC_RESTATED = 5
    EXEC_TRADE = 6
    EXEC_STATUS = 7
    EXEC_PENDING_NEW = 8
    EXEC_PENDING_CANCEL = 9
    EXEC_PENDING_REPLACE = 10
    EXEC_CANCEL_REJECT = 11         # a message of its own in FIX: OrderCancelReject(9)
    EXEC_MESSAGE_REJECT = 12        # Reject(3) or BusinessMessageReject(j) of one of our messages
    EXEC_SUSPENDED = 13
    EXEC_DONE_FOR_DAY = 14

cpdef enum RecordKind:
    RECORD_TRADE = 1                # a trade of the venue; market ring
    RECORD_BOOK_STATE = 2           # code = new BookState, detail = StaleReason
    RECORD_DECISION = 3             # an intent and its verdict: detail = IntentKind, code = Verdict
    RECORD_ORDER_SENT = 4           # detail = IntentKind
    RECORD_EXECUTION = 5            # code = ExecutionType, detail = OrderState; price of the fill
    RECORD_SESSION = 6              # code = SessionState, detail = 0 market data, 1 order entry
    RECORD_TEXT = 7                 # code = severity (logging levels), text in the last bytes
    # What came in, for a replay, and what went out as bytes. From here on a Blob where it says so.
    RECORD_FRAME = 8                # market ring: blob, a frame; reference = records dropped before
    RECORD_READ_END = 9             # market ring: blob of 0 bytes, books are decided on here
    RECORD_REQUEST = 10             # blob, before the send; detail = IntentKind, reference = number
    RECORD_REPORT = 11              # blob, the message as it came; code = ReportFormat
    RECORD_TIMER = 12               # the timers were looked at
    RECORD_COMMAND = 13             # blob, who and why; code = Command, with its arguments
    RECORD_SESSION_WORDS = 14       # next out, in; code: active; detail: journal is behind
    RECORD_RUN = 15                 # blob, JSON: config, hashes, seeds; the first of a run
    RECORD_STRATEGY_STATE = 16      # blob, code = KeptState: what is kept; strategy -1: engine
    RECORD_STATE_HASH = 17          # blob, text of the hash of the state at this point

cpdef enum ReportFormat:            # how the bytes of a RECORD_REPORT are to be read
    REPORT_FIX = 0
    REPORT_FIELDS = 1               # an ExecutionReport
    REPORT_BINANCE = 2              # JSON of the Binance WebSocket API
    REPORT_REST = 3                 # an ExecutionReport, then the REST answer it was made of

cpdef enum Command:
    COMMAND_MARK_STALE = 1          # detail = instrument or -1, reference = StaleReason
    COMMAND_CONNECTION_LOST = 2     # of market data
    COMMAND_SUBSCRIBED = 3
    COMMAND_CANCEL_ALL = 4
    COMMAND_MARK_UNKNOWN = 5        # the order session is down
    COMMAND_EXPIRE_PENDING = 6      # reference = limit in nanoseconds
    COMMAND_FORGET_SEQUENCES = 7    # the numbers of the session begin again
    COMMAND_PAUSE = 8               # detail = 1: of an orderly stop; 2: not armed yet
    COMMAND_RESUME = 9
    COMMAND_SEND_FAILED = 10        # reference = message that did not leave; detail = 1: unanswered
    COMMAND_KILL = 11               # detail = KillSource, reference = intents so far
    COMMAND_REARM = 12
    COMMAND_FLATTEN = 13            # detail = strategy, reference = price_ticks, text = lots
    COMMAND_OPERATOR = 14           # any other audited command
    COMMAND_BREAKER = 15            # JSON of what a breaker has seen; the arc has acted by itself
    COMMAND_STRATEGY_PAUSE = 16     # detail = strategy
    COMMAND_STRATEGY_RESUME = 17    # detail = strategy
    COMMAND_AGREED = 18             # JSON: product to the trade id until which fills are agreed on

cpdef enum EngineState:
    ENGINE_STARTING = 0
    ENGINE_RUNNING = 1
    ENGINE_PAUSED_STATE = 2         # no new risk; cancels are allowed
    ENGINE_STOPPING = 3
    ENGINE_STOPPED = 4
    ENGINE_KILLED_STATE = 5         # everything is cancelled, no new risk until a person rearms

cpdef enum SessionState:
    SESSION_DISCONNECTED = 0
    SESSION_CONNECTING = 1
    SESSION_LOGON_SENT = 2          # market data: subscribe sent
    SESSION_RESYNCING = 3           # FIX: a gap is being filled
    SESSION_ACTIVE = 4
    SESSION_LOGOUT_SENT = 5
    SESSION_LOGOUT_RECEIVED = 6

cpdef enum Step:                    # latency histograms, in the order of the data's way
    STEP_DECODE = 0
    STEP_APPLY = 1
    STEP_DECIDE = 2                 # update and decide: one call into the strategy's kernel
    STEP_CHECK = 3
    STEP_ENCODE = 4                 # register and encode
    STEP_SEND = 5
    STEP_TICK_TO_ORDER = 6          # frame received -> its first order handed to the kernel
    STEP_TICK = 7                   # frame received -> everything done with it
    STEP_REPORT = 8                 # report received -> position updated
    STEP_ACKNOWLEDGE = 9            # order sent -> first report of it
    STEP_COUNT = 10

cdef struct BookDelta:              # one level: the quantity is absolute, 0 deletes
    int64_t price_ticks
    int64_t quantity_lots
    int64_t side

cdef struct Trade:
    int64_t price_ticks
    int64_t quantity_lots
    int64_t aggressor_side          # Side of the taker, whatever the venue reports
    int64_t trade_id
    int64_t exchange_time_ns
    int64_t receive_time_ns

cdef struct FeedEvent:              # a run of deltas or trades of one instrument in a frame
    int64_t kind                    # FeedEventKind
    int64_t instrument
    int64_t first
    int64_t count
    int64_t exchange_time_ns
    int64_t sequence                # venue sequence or last trade id; -1 where it has none
    int64_t first_sequence          # an update holds all from here to ``sequence``; or -1
    int64_t previous_sequence       # of the update before it, where the venue says so; or -1
    int64_t depth                   # levels of a side that the venue keeps; 0: all
    int64_t checksum                # of the book afterwards, CRC-32; -1: the venue sends none

cdef struct BookView:               # what strategies and the monitor see of a book
    int64_t version                 # odd while it is being written (seqlock)
    int64_t instrument
    int64_t state                   # BookState
    int64_t stale_reason            # StaleReason
    int64_t exchange_time_ns
    int64_t receive_time_ns
    int64_t update_count            # frames applied since the start
    int64_t bid_levels              # levels in the arrays below, <= BOOK_VIEW_LEVELS
    int64_t ask_levels
    int64_t total_bid_levels        # levels in the whole book
    int64_t total_ask_levels
    double tick_size                # price of one tick in quote currency
    double lot_size                 # quantity of one lot in base currency
    int64_t bid_ticks[BOOK_VIEW_LEVELS]
    int64_t bid_lots[BOOK_VIEW_LEVELS]
    int64_t ask_ticks[BOOK_VIEW_LEVELS]
    int64_t ask_lots[BOOK_VIEW_LEVELS]

cdef struct Bar:                    # built from trades; empty intervals make no bar
    int64_t start_time_ns           # exchange time, a multiple of interval_ns
    int64_t interval_ns
    int64_t open_ticks
    int64_t high_ticks
    int64_t low_ticks
    int64_t close_ticks
    int64_t volume_lots
    int64_t trade_count

cdef struct WorkingOrder:
    int64_t order_number
    int64_t side
    int64_t state                   # OrderState
    int64_t price_ticks
    int64_t leaves_lots

cdef struct Position:               # of one strategy in one instrument
    int64_t version                 # odd while it is being written (seqlock)
    int64_t strategy
    int64_t instrument
    int64_t position_lots           # signed
    double average_price_ticks      # of the open position; 0 when flat
    double realised_pnl             # quote currency, fees not taken off
    double fees                     # quote currency, positive is paid
    int64_t bought_lots
    int64_t sold_lots
    int64_t fill_count
    int64_t order_count             # new orders sent
    int64_t open_buy_lots           # leaves of our buy orders, pending ones included
    int64_t open_sell_lots
    int64_t last_reject             # Verdict of the last intent that was not accepted
    int64_t reject_count
    int64_t signal_count            # intents of kind NEW_ORDER or REPLACE_ORDER
    int64_t working_count
    WorkingOrder working[MAX_WORKING_ORDERS]

cdef struct Fill:
    int64_t order_number
    int64_t side
    int64_t price_ticks
    int64_t quantity_lots
    int64_t leaves_lots
    int64_t is_maker
    int64_t exchange_time_ns
    int64_t receive_time_ns

cdef struct Timer:
    int64_t now_ns

cdef struct Intent:                 # what a strategy wants
    int32_t kind                    # IntentKind
    int32_t side
    int32_t order_type
    int32_t time_in_force
    int32_t post_only
    int32_t reason                  # the strategy's own code; journaled, shown, never read
    int64_t price_ticks
    int64_t quantity_lots           # of a replace: what shall be open afterwards
    int64_t order_number            # the order to cancel or replace

cdef struct Intents:
    int64_t count
    int64_t dropped                 # intents beyond MAX_INTENTS_PER_CALL
    Intent intents[MAX_INTENTS_PER_CALL]

cdef struct Order:
    int64_t order_number            # 0: the slot was never used
    int64_t instrument
    int64_t strategy
    int64_t side
    int64_t order_type
    int64_t time_in_force
    int64_t post_only
    int64_t state                   # OrderState
    int64_t price_ticks
    int64_t quantity_lots
    int64_t filled_lots
    int64_t leaves_lots
    int64_t pending_price_ticks     # of a replace that awaits its answer
    int64_t pending_quantity_lots   # 0: no replace does
    int64_t request_number          # last client id of the chain: new, cancel or replace
    int64_t accepted_number         # last client id that the venue accepted
    int64_t sent_time_ns
    int64_t acknowledged_time_ns    # first report of it
    int64_t accepted_time_ns        # first report that shows that the venue took it; 0: none
    int64_t update_time_ns
    int64_t reason                  # of the intent that made it
    int64_t state_before_pending    # OrderState to go back to when a request is refused
    char venue_order_id[VENUE_ORDER_ID_BYTES]

cdef struct OrderRequest:           # what an encoder writes
    int64_t kind                    # IntentKind
    int64_t instrument
    int64_t side
    int64_t order_type
    int64_t time_in_force
    int64_t post_only
    int64_t price_ticks
    int64_t quantity_lots
    int64_t request_number          # becomes ClOrdID(11)
    int64_t original_number         # becomes OrigClOrdID(41)
    Order* order

cdef struct ExecutionReport:        # what a decoder reads
    int64_t execution_type          # ExecutionType
    int64_t order_state             # OrderState as the venue reports it
    int64_t request_number          # of ClOrdID(11); 0: not one of ours
    int64_t original_number         # of OrigClOrdID(41); 0: absent or not one of ours
    int64_t instrument
    int64_t side
    int64_t order_quantity_lots     # -1: absent
    int64_t price_ticks             # -1: absent
    int64_t cumulative_lots         # -1: absent
    int64_t leaves_lots             # -1: absent
    int64_t last_price_ticks
    int64_t last_quantity_lots
    int64_t is_maker
    int64_t fee_nano                # 1e-9 of the quote currency
    int64_t exchange_time_ns
    int64_t execution_id_high       # 128 bits of ExecID(17)
    int64_t execution_id_low
    int64_t reject_code             # OrdRejReason(103), CxlRejReason(102) or reason of a reject
    int64_t reference_sequence      # RefSeqNum(45) of a message reject
    int64_t trade_id                # the venue's, of a fill; 0: it has not said
    char venue_order_id[VENUE_ORDER_ID_BYTES]

cdef struct Record:                 # of the ring and the journal: 128 bytes, one shape for all
    int64_t sequence                # of the ring, from 1
    int64_t time_ns                 # receive time of what caused it
    int64_t exchange_time_ns
    int32_t kind                    # RecordKind
    int32_t instrument              # -1: none
    int32_t strategy                # -1: none
    int32_t code
    int32_t detail
    int32_t side
    int64_t order_number
    int64_t price_ticks
    int64_t quantity_lots
    int64_t filled_lots
    int64_t leaves_lots
    int64_t position_lots
    int64_t best_bid_ticks
    int64_t best_ask_ticks
    int64_t fee_nano
    int64_t reference               # trade id, venue sequence or the intent's reason

cdef struct Blob:                   # head of a record with bytes, which go on in slots behind
    int64_t sequence                # of its ring: the number of its slot, from 1
    int64_t time_ns                 # receive time of what caused it
    int64_t after_sequence          # market ring: slots of the order ring written before it
    int32_t kind                    # RecordKind
    int32_t instrument              # -1: none
    int32_t strategy                # -1: none
    int32_t code
    int32_t detail
    int32_t byte_count
    int64_t reference
    char payload[BLOB_PAYLOAD_BYTES]

cdef struct RequestTerms:           # in front of the message of a RECORD_REQUEST
    Intent intent
    int64_t request_number
    int64_t order_number

cdef struct SharedHeader:           # first page of the shared memory; plain counters, one writer
    char magic[8]                   # b"WOWSHM01"
    int64_t layout_hash             # of ext/dtypes.py: a reader refuses another layout
    int64_t process_id
    int64_t start_time_ns
    int64_t instrument_count
    int64_t strategy_count
    int64_t names_offset            # NAME records: the instruments, then the strategies
    int64_t books_offset            # BookView per instrument
    int64_t positions_offset        # Position per strategy
    int64_t orders_offset           # Order, MAX_ORDERS of them
    int64_t breakers_offset         # BreakerState per strategy, then the engine's
    int64_t guards_offset           # GuardState per strategy
    int64_t histograms_offset       # HISTOGRAM_BUCKETS int64 per Step, of ring_offset's alignment
    int64_t ring_offset             # order ring: RING_SLOTS of 128 bytes, Record or Blob
    int64_t market_ring_offset      # market ring: market_ring_slots of them
    int64_t market_ring_slots       # a power of two
    int64_t total_bytes
    int64_t engine_state            # EngineState
    int64_t heartbeat_ns            # wall clock, written by the loop at least every 100 ms
    int64_t feed_state              # SessionState of market data
    int64_t order_session_state     # SessionState of order entry
    int64_t write_sequence          # slots written; the next record gets this + 1
    int64_t read_sequence           # slots the relay has taken; written by the relay alone
    int64_t market_write_sequence   # the same of the market ring
    int64_t market_read_sequence
    int64_t reader_attached         # 0: nobody reads, old records are overwritten uncounted
    int64_t journal_failing         # written by the relay: 1 while order records cannot be stored
    int64_t synced_sequence         # written by the relay: slots that are safe on the disk
    int64_t dropped_market_records  # of either ring
    int64_t dropped_order_records   # not 0: the journal has a hole; new risk is refused
    int64_t frames                  # of the market data feed, all kinds
    int64_t frame_bytes
    int64_t control_frames          # handed to the session
    int64_t bad_frames              # not understood
    int64_t deltas                  # book updates applied
    int64_t trades
    int64_t gaps                    # venue sequence or trade id jumps
    int64_t stale_count             # times a book went STALE
    int64_t crossed_count
    int64_t intents
    int64_t accepted
    int64_t rejected
    int64_t orders_sent             # new orders
    int64_t requests_sent           # new, cancel and replace
    int64_t reports
    int64_t fills
    int64_t duplicate_fills
    int64_t unknown_reports         # reports of orders that are not ours
    int64_t dropped_intents
    int64_t loop_cycles
    int64_t loop_max_cycle_ns
    int64_t loop_max_cycle_source   # LoopSource that took most of the longest cycle
    int64_t loop_stalls             # cycles longer than [loop] stall_threshold_us
    int64_t engine_core             # core that the loop's thread is pinned to; -1: none
    int64_t threads_on_core         # other threads of the engine that may run there
    int64_t garbage_collections     # since the run began; 0 where the collector is off
    int64_t general_frames          # a part of it had not the shape that its decoder is fast at
    int64_t failed_sends            # requests that the socket did not take
    int64_t conflated_updates       # book updates that a later one of the same read decided for
    int64_t outgoing_sequence       # next FIX MsgSeqNum out
    int64_t incoming_sequence       # next FIX MsgSeqNum expected
    int64_t wall_offset_ns          # wall clock minus monotonic clock
    int64_t loop_stalls_by_source[LOOP_SOURCE_COUNT]
    char engine_name[32]
    char mode[16]
    char state_reason[128]          # why the engine is in this state
    int64_t kill_word               # KillSource, set by anybody, see control/mailbox.py; 0: none
    int64_t kill_time_ns            # wall clock of when it was set
    int64_t relay_heartbeat_ns      # wall clock, written by the relay's loop
    int64_t command_sequence        # of the command in the mailbox; written by the relay
    int64_t answer_sequence         # of the command that the answer is to
    char kill_reason[192]
    char command_text[1024]         # JSON, see control/commands.py
    char answer_text[1024]
