"""Which checkers look at a world: those of every world, and those of its protocol of orders."""

from typing import TYPE_CHECKING

from sim.world.checkers import (
    Checker,
    ClientIdsAreUnique,
    EveryOpenOrderIsKnown,
    FillsAreCountedOnce,
    LiveBooksAreRight,
    NoLatchIsLost,
    NoRiskIsTakenTwice,
    NothingNewAfterKill,
    NothingNewBehindTheJournal,
    NothingNewOfTheStopped,
    NothingNewWhilePaused,
    OneConnectionNeedsNoPause,
    OutgoingNumbersAreLegal,
    PositionIsTheSumOfFills,
    TablesAreBounded,
    TrippedBreakersAreKept,
)
from sim.world.end_checkers import (
    BooksEqualTheVenues,
    DoubtHasACause,
    EverythingSettles,
    JournalIsTheStream,
    PositionsEqualTheVenues,
    ProfitIsThatOfTheFills,
    ReplayIsTheRun,
    StreamTellsTheState,
    VenueAgreesOnEveryOrder,
)
from sim.world.limit_checkers import (
    ExposureHoldsAtTheVenue,
    HoursHold,
    LimitsHoldAtTheVenue,
    NobodyTradesWithHimself,
    OpenLimitsHoldAtTheVenue,
    RatesHold,
)
from sim.world.portfolio_checker import PortfolioStopsWhoAdds
from sim.world.rest_checkers import (
    APauseHasACause,
    NoOldOrderLeaves,
    NoOrderLeavesBehindItsCancel,
    NothingNewWithoutASession,
    OneRequestIsUnderWay,
)
from sim.world.safety_checkers import CrossedStopsAreActedOn, ExitsOnlyReduce, NoStopMovesAway

if TYPE_CHECKING:
    from sim.world.world import World


def make_checkers(world: "World") -> list[Checker]:
    """Those that look after every event."""
    of_protocol: list[Checker] = [OutgoingNumbersAreLegal()]
    no_pause: Checker = OneConnectionNeedsNoPause()
    if world.is_by_rest:
        of_protocol = [
            OneRequestIsUnderWay(),
            NothingNewWithoutASession(),
            NoOldOrderLeaves(),
            NoOrderLeavesBehindItsCancel(),
        ]
        no_pause = APauseHasACause()
    return [
        ClientIdsAreUnique(),
        NothingNewWhilePaused(),
        NothingNewOfTheStopped(),
        TrippedBreakersAreKept(),
        NothingNewAfterKill(),
        NoLatchIsLost(),
        NothingNewBehindTheJournal(),
        *of_protocol,
        NoRiskIsTakenTwice(),
        LimitsHoldAtTheVenue(world),
        OpenLimitsHoldAtTheVenue(world),
        ExposureHoldsAtTheVenue(world),
        NobodyTradesWithHimself(),
        RatesHold(world),
        HoursHold(world),
        EveryOpenOrderIsKnown(),
        FillsAreCountedOnce(),
        PositionIsTheSumOfFills(),
        ExitsOnlyReduce(),
        NoStopMovesAway(world),
        CrossedStopsAreActedOn(world),
        PortfolioStopsWhoAdds(world),
        LiveBooksAreRight(),
        no_pause,  # behind those that say what was wrong
        TablesAreBounded(),
    ]


def make_run_checkers() -> list[Checker]:
    """Those that look at the end of each run whose memory is still there."""
    return [StreamTellsTheState(), ReplayIsTheRun()]


def make_end_checkers(run_checkers: list[Checker], journal: JournalIsTheStream) -> list[Checker]:
    """Those that look at the end of the world."""
    return [
        EverythingSettles(),
        VenueAgreesOnEveryOrder(),
        PositionsEqualTheVenues(),
        ProfitIsThatOfTheFills(),
        BooksEqualTheVenues(),
        *run_checkers,
        journal,
        DoubtHasACause(),
    ]
