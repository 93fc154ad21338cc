"""What the person who starts an engine has decided: what no config may decide for them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decisions:
    """Send real orders; leave the state of earlier runs alone; lift the pause of the last run; lift
    its KILL.

    The reasons are journaled; empty: not decided so.
    """

    is_live: bool = False
    fresh_reason: str = ""
    resume_reason: str = ""
    rearm_reason: str = ""
