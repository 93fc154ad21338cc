"""What goes wrong in a world: drawn from the seed, before it begins."""

import random
from dataclasses import dataclass, fields

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
STORM_SHARE = 0.15
STORM_FACTOR = 6.0
LARGEST_SHARE = 0.3
COMMANDED_SHARE = 1 / 3
LARGEST_RATE = 3.0


@dataclass(slots=True, kw_only=True)
class FaultPlan:
    """Chances of faults. Shares are of messages (order leg) or frames (feed); rates are per second.

    Nothing here breaks a promise of TCP or of the protocol: bytes of one connection arrive in
    order or, from a cut on, never; a message that was spoilt on its way is asked for again.
    """

    latency_ns: int = 2 * MILLISECOND_NS
    jitter_ns: int = 3 * MILLISECOND_NS
    split_share: float = 0.0
    """Order leg: a message arrives in pieces."""
    spoil_share: float = 0.0
    """Order leg: one byte of a message is another."""
    garbage_share: float = 0.0
    """Order leg: bytes that are no message come before one."""
    repeat_share: float = 0.0
    """Venue to engine: a report comes again, as a possible duplicate."""
    swap_share: float = 0.0
    """Venue to engine: a message arrives behind the next one."""
    stall_share: float = 0.0
    """Either leg: everything from here on is late, by up to ``stall_ns``."""
    stall_ns: int = 7 * SECOND_NS
    order_cut_rate: float = 0.0
    feed_cut_rate: float = 0.0
    refuse_share: float = 0.0
    """A connection cannot be made."""
    half_open_ns: int = 0
    """How much later than the other side one side may learn of a cut."""
    lose_share: float = 0.0
    """Feed: a frame never comes."""
    double_share: float = 0.0
    """Feed: a frame comes twice."""
    late_share: float = 0.0
    """Feed: a frame arrives behind later ones."""
    mangle_share: float = 0.0
    """Feed: a frame is cut short, or one character of it is another."""
    rest_loss_share: float = 0.0
    """A question by REST, or its answer, is lost."""
    reject_share: float = 0.0
    """The venue answers a request with a session Reject(3) and forgets it."""
    echo_share: float = 0.0
    """The venue sends an execution report once more under a new number (97=Y)."""
    log_out_rate: float = 0.0
    """The venue ends the order session politely."""
    by_hand_rate: float = 0.0
    """Somebody cancels one of our orders at the venue."""
    dead_socket_rate: float = 0.0
    """The socket takes no order any more; the next one finds out."""
    clock_step_rate: float = 0.0
    clock_step_ns: int = 15 * SECOND_NS
    """How far off the host's clock may be; the venue refuses a client that is 30 s off."""
    crash_rate: float = 0.0
    """The engine's process ends at once, now and then with its host; another run begins."""
    pause_rate: float = 0.0
    """A person pauses the engine, and resumes it a while later."""
    flatten_rate: float = 0.0
    """A person wants all positions closed, and resumes the engine a while after that."""
    strategy_pause_rate: float = 0.0
    """A person pauses one strategy, whatever has stopped it already, and resumes it later."""
    kill_rate: float = 0.0
    """Somebody kills: from outside, by a breaker, with the engine dying at once or not. A person
    rearms it later."""
    fail_before_share: float = 0.0
    """By REST: an error answers a request that was not carried out."""
    fail_after_share: float = 0.0
    """By REST: a request is carried out, and an error, half an answer or nothing comes of it."""
    refuse_access_share: float = 0.0
    """By REST: a request is answered as a stranger's, and not carried out."""
    late_answer_share: float = 0.0
    """By REST: an answer, and those behind it, come up to two seconds late."""
    chunk_share: float = 0.0
    """By REST: an answer comes in chunks."""
    close_share: float = 0.0
    """By REST: the connection ends behind an answer, which may say so."""
    lag_ns: int = 0
    """Questions by REST are answered from a copy of the venue's record that is so far behind."""
    stuck_rate: float = 0.0
    """The relay attaches and takes nothing more until it comes to itself."""

    def heal(self) -> None:
        """Nothing goes wrong from here on."""
        calm = FaultPlan(latency_ns=self.latency_ns, jitter_ns=self.jitter_ns)
        for each in fields(self):
            setattr(self, each.name, getattr(calm, each.name))


def draw_faults(rng: random.Random) -> FaultPlan:
    """A plan: nothing is wrong in one of six worlds, in the others one to all kinds of things are,
    and in some of those all of them much more often."""
    plan = FaultPlan(
        latency_ns=rng.choice((50_000, MILLISECOND_NS, 20 * MILLISECOND_NS)),
        jitter_ns=rng.choice((0, MILLISECOND_NS, 10 * MILLISECOND_NS)),
    )
    if rng.random() < 1 / 6:
        return plan
    kinds = (
        _spoil_orders,
        _cut_orders,
        _slow_down,
        _be_moody,
        _spoil_feed,
        _cut_feed,
        _step_clock,
        _stick_relay,
        _crash,
    )
    chosen = rng.sample(kinds, rng.randint(1, len(kinds)))
    for kind in kinds:
        if kind in chosen:
            kind(plan, rng)
    if rng.random() < STORM_SHARE:
        _make_storm(plan)
    return plan


def draw_commands(plan: FaultPlan, rng: random.Random) -> None:
    """What people do, in one of three worlds; drawn apart, so that the others stay as they were."""
    if rng.random() < COMMANDED_SHARE:
        plan.pause_rate = rng.choice((0.0, 0.3, 1.0))
        plan.kill_rate = rng.choice((0.1, 0.3, 1.0))
        plan.flatten_rate = rng.choice((0.0, 0.3, 1.0))
        plan.strategy_pause_rate = rng.choice((0.0, 0.3, 1.0))


def draw_rest_faults(plan: FaultPlan, rng: random.Random) -> None:
    """What is about orders by REST alone; drawn apart, like the protocol itself. Nothing in one of
    four such worlds."""
    if rng.random() < 1 / 4:
        return
    plan.fail_before_share = rng.choice((0.0, 0.01, 0.05, 0.2))
    plan.fail_after_share = rng.choice((0.0, 0.01, 0.05, 0.2))
    plan.late_answer_share = rng.choice((0.0, 0.01, 0.05, 0.2))
    plan.refuse_access_share = rng.choice((0.0, 0.0, 0.0, 0.01))
    plan.chunk_share = rng.choice((0.0, 0.5))
    plan.close_share = rng.choice((0.0, 0.01, 0.1, 0.5))
    plan.lag_ns = rng.choice((0, 0, 50 * MILLISECOND_NS, 800 * MILLISECOND_NS))
    plan.split_share = max(plan.split_share, rng.choice((0.0, 0.2, 0.9)))


def _make_storm(plan: FaultPlan) -> None:
    for each in fields(plan):
        limit = LARGEST_SHARE if each.name.endswith("_share") else LARGEST_RATE
        if each.name.endswith(("_share", "_rate")) and each.name != "stall_share":
            setattr(plan, each.name, min(limit, STORM_FACTOR * getattr(plan, each.name)))


def _share(rng: random.Random) -> float:
    return rng.choice((0.0, 0.002, 0.01, 0.05))


def _spoil_orders(plan: FaultPlan, rng: random.Random) -> None:
    plan.split_share = rng.choice((0.0, 0.1, 0.9))
    plan.spoil_share = _share(rng)
    plan.garbage_share = _share(rng)
    plan.repeat_share = _share(rng)
    plan.swap_share = _share(rng)


def _cut_orders(plan: FaultPlan, rng: random.Random) -> None:
    plan.order_cut_rate = rng.choice((0.1, 0.3, 1.0))
    plan.refuse_share = rng.choice((0.0, 0.3))
    plan.half_open_ns = rng.choice((0, 5 * MILLISECOND_NS, 3 * SECOND_NS))


def _slow_down(plan: FaultPlan, rng: random.Random) -> None:
    plan.stall_share = rng.choice((0.0005, 0.003))
    plan.stall_ns = rng.choice((100 * MILLISECOND_NS, 2 * SECOND_NS, 7 * SECOND_NS))


def _be_moody(plan: FaultPlan, rng: random.Random) -> None:
    plan.reject_share = _share(rng)
    plan.echo_share = _share(rng)
    plan.log_out_rate = rng.choice((0.0, 0.2))
    plan.by_hand_rate = rng.choice((0.0, 2.0))
    plan.rest_loss_share = rng.choice((0.0, 0.05))
    plan.dead_socket_rate = rng.choice((0.0, 0.3))


def _spoil_feed(plan: FaultPlan, rng: random.Random) -> None:
    plan.lose_share = _share(rng)
    plan.double_share = _share(rng)
    plan.late_share = _share(rng)
    plan.mangle_share = _share(rng)


def _cut_feed(plan: FaultPlan, rng: random.Random) -> None:
    plan.feed_cut_rate = rng.choice((0.1, 0.5))
    plan.refuse_share = max(plan.refuse_share, rng.choice((0.0, 0.3)))


def _stick_relay(plan: FaultPlan, rng: random.Random) -> None:
    plan.stuck_rate = rng.choice((0.2, 0.5))


def _crash(plan: FaultPlan, rng: random.Random) -> None:
    plan.crash_rate = rng.choice((0.1, 0.3))


def _step_clock(plan: FaultPlan, rng: random.Random) -> None:
    plan.clock_step_rate = rng.choice((0.1, 0.5))
    plan.clock_step_ns = rng.choice((50 * MILLISECOND_NS, 15 * SECOND_NS))
