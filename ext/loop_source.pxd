"""Whose time of the loop it is, see ``ext.loop_meter``.

Values are written to shared memory: append, never renumber, never reuse.
"""

cpdef enum LoopSource:              # whose time of the loop it is
    LOOP_IDLE = 0                   # asleep, or reading sockets that have nothing
    LOOP_MARKET_DATA = 1            # the frames of one read, with all that follows from them
    LOOP_ORDER_REPORTS = 2          # the messages of one read of the order socket
    LOOP_FEED_SESSION = 3           # control frames, timers, reconnects
    LOOP_ORDER_SESSION = 4          # timers, reconnects
    LOOP_STRATEGY_TIMERS = 5        # on_timer hooks
    LOOP_BACKGROUND = 6             # heartbeat, checks, the printed line
    LOOP_OTHER = 7                  # whatever else the loop called; busy poll alone sees it
    LOOP_SOURCE_COUNT = 8
