"""The state table names methods that exist, uses all of them, and leaves out what it means to."""

from ext.wire import SessionState
from gateways.fix_session import FixSession
from gateways.fix_states import ROWS, TABLE, Stimulus, classify

IGNORED = {
    ("SESSION_DISCONNECTED", None),  # nothing is received and nothing is timed there
    ("SESSION_CONNECTING", None),
    ("SESSION_LOGOUT_SENT", Stimulus.HEARTBEAT),  # counted before the table, no more to do
    ("SESSION_LOGOUT_SENT", Stimulus.LOGON),
    ("SESSION_LOGOUT_SENT", Stimulus.STOP),
    ("SESSION_LOGOUT_RECEIVED", Stimulus.HEARTBEAT),
    ("SESSION_LOGOUT_RECEIVED", Stimulus.LOGON),
    ("SESSION_LOGOUT_RECEIVED", Stimulus.STOP),
    ("SESSION_LOGOUT_RECEIVED", Stimulus.LOGOUT),
    ("SESSION_LOGOUT_RECEIVED", Stimulus.TEST_REQUEST),
}


def test_every_handler_is_a_method() -> None:
    assert [name for name in TABLE.values() if not callable(getattr(FixSession, name, None))] == []


def test_no_row_overwrites_another() -> None:
    assert len(TABLE) == sum(len(states) * len(stimuli) for states, stimuli, _ in ROWS)


def test_what_is_not_in_the_table_is_left_out_on_purpose() -> None:
    only_once = {Stimulus.CONNECT, Stimulus.CONNECTED}  # of a connection, not of a state
    missing = {
        (state.name, stimulus)
        for state in SessionState
        for stimulus in Stimulus
        if (state, stimulus) not in TABLE
        and stimulus not in only_once
        and stimulus is not Stimulus.GARBLED  # logged before the table
        and (state.name, None) not in IGNORED
    }
    assert missing == {pair for pair in IGNORED if pair[1] is not None}


def test_classification_by_message_type() -> None:
    assert classify(b"A") is Stimulus.LOGON
    assert classify(b"4") is Stimulus.SEQUENCE_RESET
    for message_type in (b"8", b"j", b"", b"AA", b"tick"):
        assert classify(message_type) is Stimulus.APPLICATION
