"""The state machine of a FIX initiator as data: which handler takes what in which state.

What is not in the table is ignored in that state. The handlers are methods of ``FixSession``.
Sequence numbers are judged before the table, but for LOGON_SENT, where the first message decides.
A lost connection leads from everywhere to DISCONNECTED. "closing": the transport is asked to close
the connection, and nothing more is taken from it. A row without a next state stays.
"""

from enum import Enum

from ext.wire import SessionState

DISCONNECTED = SessionState.SESSION_DISCONNECTED
CONNECTING = SessionState.SESSION_CONNECTING
LOGON_SENT = SessionState.SESSION_LOGON_SENT
RESYNCING = SessionState.SESSION_RESYNCING
ACTIVE = SessionState.SESSION_ACTIVE
LOGOUT_SENT = SessionState.SESSION_LOGOUT_SENT
LOGOUT_RECEIVED = SessionState.SESSION_LOGOUT_RECEIVED


class Stimulus(Enum):
    """What can happen to a session; the value of a message is its MsgType(35)."""

    CONNECT = "connect"
    CONNECTED = "connected"
    STOP = "stop"
    TICK = "tick"
    GARBLED = "garbled"
    HEARTBEAT = b"0"
    TEST_REQUEST = b"1"
    RESEND_REQUEST = b"2"
    REJECT = b"3"
    SEQUENCE_RESET = b"4"
    LOGOUT = b"5"
    LOGON = b"A"
    APPLICATION = "application"


UP = (RESYNCING, ACTIVE)
TALKING = (RESYNCING, ACTIVE, LOGOUT_SENT)
LOGGED_ON = (RESYNCING, ACTIVE, LOGOUT_SENT, LOGOUT_RECEIVED)
# Acted on at once even with a number that is too high; the gap is asked for afterwards (20).
ACTED_ON_EARLY = frozenset({Stimulus.RESEND_REQUEST, Stimulus.LOGOUT, Stimulus.LOGON})

_NOT_A_LOGON = (
    Stimulus.HEARTBEAT,
    Stimulus.TEST_REQUEST,
    Stimulus.RESEND_REQUEST,
    Stimulus.SEQUENCE_RESET,
    Stimulus.APPLICATION,
    Stimulus.GARBLED,
)

Row = tuple[tuple[SessionState, ...], tuple[Stimulus, ...], str]
# fmt: off
ROWS: tuple[Row, ...] = (
    # in these states                this                         is taken by  # next state
    ((DISCONNECTED,),                (Stimulus.CONNECT,),         "_connect"),  # CONNECTING
    ((CONNECTING,),                  (Stimulus.CONNECTED,),       "_log_on"),  # LOGON_SENT
    ((CONNECTING, LOGON_SENT),       (Stimulus.STOP,),            "_give_up"),  # closing
    ((LOGON_SENT,),                  (Stimulus.LOGON,),           "_accept_logon"),  # UP, closing
    ((LOGON_SENT,),                  (Stimulus.LOGOUT,),          "_report_refusal"),  # closing
    ((LOGON_SENT,),                  (Stimulus.REJECT,),          "_report_refusal"),  # closing
    ((LOGON_SENT,),                  _NOT_A_LOGON,                "_refuse_first"),  # closing
    ((LOGON_SENT,),                  (Stimulus.TICK,),            "_await_logon"),  # or closing
    (UP,                             (Stimulus.LOGON,),           "_reset_numbers"),
    (UP,                             (Stimulus.HEARTBEAT,),       "_take_heartbeat"),  # or ACTIVE
    (UP,                             (Stimulus.LOGOUT,),          "_answer_logout"),  # .._RECEIVED
    (UP,                             (Stimulus.STOP,),            "_log_out"),  # LOGOUT_SENT
    (UP,                             (Stimulus.TICK,),            "_watch"),  # or closing
    (TALKING,                        (Stimulus.TEST_REQUEST,),    "_answer_test_request"),
    (LOGGED_ON,                      (Stimulus.RESEND_REQUEST,),  "_answer_resend_request"),
    (LOGGED_ON,                      (Stimulus.SEQUENCE_RESET,),  "_move_expected"),
    (LOGGED_ON,                      (Stimulus.REJECT,),          "_report_reject"),
    (LOGGED_ON,                      (Stimulus.APPLICATION,),     "_release"),
    ((LOGOUT_SENT,),                 (Stimulus.LOGOUT,),          "_finish_logout"),  # closing
    ((LOGOUT_SENT, LOGOUT_RECEIVED), (Stimulus.TICK,),            "_await_end"),  # or closing
)
# fmt: on
TABLE = {
    (state, stimulus): handler
    for states, stimuli, handler in ROWS
    for state in states
    for stimulus in stimuli
}

_BY_MESSAGE_TYPE = {each.value: each for each in Stimulus if isinstance(each.value, bytes)}


def classify(message_type: bytes) -> Stimulus:
    """The stimulus of a MsgType(35); all that is not an admin message is APPLICATION."""
    return _BY_MESSAGE_TYPE.get(message_type, Stimulus.APPLICATION)
