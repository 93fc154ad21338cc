"""The Logon of Coinbase Exchange order entry: what it must say (sheet B5), and what it asks for."""

from dataclasses import dataclass

from sim.credentials import Credentials
from sim.fix_text import FixMessage
from sim.orders import SelfTradeRule
from sim.times import NS_PER_SECOND, fix_time_ns

HEARTBEAT_SECONDS_MAX = 30
SENDING_TIME_LIMIT_NS = 120 * NS_PER_SECOND
_SENDING_TIME_CHARACTERS = len("20260105-14:30:00.000")
_SIGNATURE, _COMP_ID, _SENDING_TIME = 8, 9, 10
"""SessionRejectReason(373) of a refused Logon."""


class LogonProblem(Exception):
    """Why a Logon is refused; ``reason`` is 373 of a Reject, ``None`` for a Logout."""

    def __init__(self, text: str, reason: int | None = None) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True)
class LogonRequest:
    """What an accepted Logon asks for."""

    heartbeat_s: int
    resets_numbers: bool


def check_logon(message: FixMessage, credentials: Credentials, wall_ns: int) -> LogonRequest:
    """Reads a first message; ``LogonProblem`` says what is wrong with it."""
    if message.message_type != "A":
        raise LogonProblem("first message is not a Logon")
    _require(message, 8, "BeginString", ("FIXT.1.1",))
    if message.get(56) != "Coinbase":
        raise LogonProblem("TargetCompID must be Coinbase", _COMP_ID)
    if message.get(49) != credentials.key:
        raise LogonProblem("SenderCompID is not a known API key", _COMP_ID)
    _require(message, 34, "MsgSeqNum", ("1",))
    _require(message, 98, "EncryptMethod", ("0",))
    _require(message, 1137, "DefaultApplVerID", ("9",))
    _require(message, 141, "ResetSeqNumFlag", ("Y", "N", None))
    _require(message, 8013, "CancelOrdersOnDisconnect", ("S", "Y", None))
    rules = tuple(rule.value for rule in SelfTradeRule)
    _require(message, 8001, "SelfTradePrevention of the session", (*rules, "Q", None))
    _require(message, 9406, "DropCopyFlag", ("N", None))
    _check_sending_time(message, wall_ns)
    _check_signature(message, credentials)
    heartbeat = message.get(108) or ""
    if not heartbeat.isdigit() or not 1 <= int(heartbeat) <= HEARTBEAT_SECONDS_MAX:
        raise LogonProblem(f"HeartBtInt must be from 1 to {HEARTBEAT_SECONDS_MAX} seconds")
    return LogonRequest(int(heartbeat), message.get(141) == "Y")


def session_rule(logon: FixMessage) -> SelfTradeRule:
    """Self-trade rule of the session: tag 8001, Q cancels both; absent, the aggressor goes."""
    value = logon.get(8001) or SelfTradeRule.CANCEL_AGGRESSOR.value
    return SelfTradeRule.CANCEL_BOTH if value == "Q" else SelfTradeRule(value)


def _require(message: FixMessage, tag: int, name: str, allowed: tuple[str | None, ...]) -> None:
    value = message.get(tag)
    if value not in allowed:
        choices = " or ".join(each for each in allowed if each is not None)
        raise LogonProblem(f"{name}({tag}) is {value or 'missing'}; use {choices}")


def _check_sending_time(message: FixMessage, wall_ns: int) -> None:
    # Three decimals exactly: the text is part of what is signed.
    text = message.get(52) or ""
    try:
        time_ns = fix_time_ns(text)
    except ValueError as error:
        raise LogonProblem(f"SendingTime(52): {error}", _SENDING_TIME) from error
    if len(text) != _SENDING_TIME_CHARACTERS:
        raise LogonProblem("SendingTime(52) must have three decimals", _SENDING_TIME)
    if abs(wall_ns - time_ns) > SENDING_TIME_LIMIT_NS:
        limit_s = SENDING_TIME_LIMIT_NS // NS_PER_SECOND
        raise LogonProblem(f"SendingTime(52) is more than {limit_s} s off", _SENDING_TIME)


def _check_signature(message: FixMessage, credentials: Credentials) -> None:
    if message.get(553) != credentials.key or message.get(554) != credentials.passphrase:
        raise LogonProblem("Username(553) or Password(554) is wrong", _SIGNATURE)
    signature = message.get(96) or ""
    if message.get(95) != str(len(signature)):
        raise LogonProblem("RawDataLength(95) is not the length of RawData(96)", _SIGNATURE)
    signed = (
        message.get(52),
        "A",
        message.get(34),
        message.get(49),
        message.get(56),
        credentials.passphrase,
    )
    if not credentials.is_signed("\x01".join(part or "" for part in signed), signature):
        raise LogonProblem("signature in RawData(96) is wrong", _SIGNATURE)
