"""The session on hostile input. Invariant: it raises nothing, numbers stay at 1 or more, orders are
allowed in ACTIVE only, and every message that it sends is well formed.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ext.session_store import SessionStore
from ext.wire import SessionState
from gateways.fix_dialect import PlainDialect, SessionRules
from gateways.fix_framer import FixFramer, Garbled
from gateways.fix_session import FixSession
from gateways.fix_timers import SessionLimits

if TYPE_CHECKING:
    from tests.gateways.conftest import Rig

WALL_NS = 1_767_225_600 * 10**9
RULES = {
    "plain": SessionRules(begin_string="FIX.4.4", sender="US", target="V", is_logon_verified=False),
    "all": SessionRules(
        begin_string="FIX.4.4",
        sender="US",
        target="V",
        sends_next_expected=True,
        reset_on_disconnect=True,
        resend_chunk=3,
    ),
}
TYPES = ("0", "1", "2", "3", "4", "5", "8", "9", "A", "B", "j", "ZZ", "")
VALUES = ("", "Y", "N", "0", "1", "2", "3", "7", "-1", "999999999999999999", "x", "A", "é")
BODY_TAGS = (
    7,
    16,
    36,
    45,
    43,
    97,
    98,
    108,
    112,
    115,
    122,
    123,
    141,
    371,
    372,
    373,
    380,
    789,
    95,
    96,
)


def frame(body: str) -> bytes:
    raw = b"8=FIX.4.4\x019=%d\x01" % len(body.encode()) + body.encode()
    return raw + b"10=%03d\x01" % (sum(raw) % 256)


def random_message(generator: random.Random, expected: int) -> bytes:
    sequence = max(expected + generator.choice((0, 0, 0, 0, 0, 1, 2, 9, -1)), 0)
    fields = [("34", str(sequence)), ("49", "V"), ("52", "20260101-00:00:00"), ("56", "US")]
    if generator.random() < 0.2:
        fields.insert(3, ("43", "Y"))
        fields.insert(4, ("122", "20260101-00:00:00"))
    if generator.random() < 0.05:
        del fields[generator.randrange(len(fields))]
    fields += [
        (str(generator.choice(BODY_TAGS)), generator.choice(VALUES))
        for _ in range(generator.randrange(6))
    ]
    pairs = [("35", generator.choice(TYPES)), *fields]
    return frame("".join(f"{tag}={value}\x01" for tag, value in pairs))


def step(session: FixSession, generator: random.Random, store: SessionStore, now_ns: int) -> None:
    choice = generator.random()
    if choice < 0.02:
        session.disconnected(now_ns)
    elif choice < 0.04:
        session.logout(now_ns)
    elif choice < 0.08:
        session.receive_garbled("why", b"what", now_ns)
    elif choice < 0.14:
        session.tick(now_ns)
    elif choice < 0.20 and store.is_active:
        session.send_application("D", [(11, b"x")], now_ns)
    else:
        session.receive(random_message(generator, store.next_incoming), now_ns)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), rules=st.sampled_from(sorted(RULES)))
def test_random_conversations_keep_the_invariant(seed: int, rules: str) -> None:
    generator = random.Random(seed)
    store = SessionStore(None, "FUZZ")
    limits = SessionLimits(sending_time_limit_ns=None)
    session = FixSession(PlainDialect(RULES[rules]), store, limits=limits, wall_offset_ns=WALL_NS)
    now_ns = 0
    for _ in range(120):
        now_ns += generator.choice((0, 10**6, 10**9, 2 * 10**10))
        if session.is_close_requested:
            session.disconnected(now_ns)
        if session.state == SessionState.SESSION_DISCONNECTED:
            session.start(now_ns)
            session.connected(now_ns)
            end = "98=0\x01108=30\x01789=1\x01"
            number = store.next_incoming
            session.receive(
                frame(f"35=A\x0134={number}\x0149=V\x0152=20260101-00:00:00\x0156=US\x01{end}"),
                now_ns,
            )
        step(session, generator, store, now_ns)
        sent = session.bytes_to_send()
        assert FixFramer().receive(b"".join(sent)) == sent
        assert not any(isinstance(piece, Garbled) for piece in sent)
        session.events()
        assert store.next_incoming >= 1
        assert store.next_outgoing >= 1
        may_send = session.state == SessionState.SESSION_ACTIVE and not session.is_close_requested
        assert store.is_active == may_send


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300))
def test_random_bytes_as_a_message(data: bytes) -> None:
    rules = PlainDialect(RULES["plain"])
    for is_logged_on in (False, True):
        session = FixSession(rules, SessionStore(None, "FUZZ"), wall_offset_ns=WALL_NS)
        session.start(0)
        session.connected(0)
        if is_logged_on:
            session.receive(
                frame(
                    "35=A\x0134=1\x0149=V\x0152=20260101-00:00:00\x0156=US\x0198=0\x01108=30\x01"
                ),
                0,
            )
            assert session.state == SessionState.SESSION_ACTIVE
        session.receive(data, 0)
        session.events()


def test_mutated_messages_release_nothing_twice(make_rig: Callable[..., "Rig"]) -> None:
    for seed in range(150):
        generator = random.Random(seed)
        rig = make_rig()
        rig.log_on()
        good = rig.message("8", [("37", "V"), ("17", "E"), ("150", "0"), ("39", "0")], {})
        place = generator.randrange(len(good))
        mutated = good[:place] + bytes([generator.randrange(256)]) + good[place + 1 :]
        for piece in FixFramer().receive(mutated):
            if isinstance(piece, bytes):
                rig.receive_raw(piece)
        if not rig.is_closing():
            rig.receive_raw(good)
        released = sum(type(event).__name__ == "ApplicationMessage" for event in rig.events)
        assert released <= 1 or rig.is_closing(), f"seed {seed}"
