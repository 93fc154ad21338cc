"""Pure checks that the scenario tests do not reach."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gateways.fix_dialect import SessionRules
from gateways.fix_message import FixMessage, RejectReason
from gateways.fix_validation import (
    HEADER_TAGS,
    TRAILER_TAGS,
    check_content,
    check_header,
    is_defined_type,
)

DICTIONARIES = sorted((Path(sys.prefix) / "share/quickfix").glob("FIX*.xml"))
RULES = SessionRules(begin_string="FIX.4.4", sender="US", target="VENUE")


def message(text: str) -> FixMessage:
    return FixMessage(text.replace("|", "\x01").encode())


HEADER = "8=FIX.4.4|9=1|35={}|34=2|49=VENUE|52=20260101-00:00:00|56=US|"


@pytest.mark.skipif(not DICTIONARIES, reason="the quickfix package brings the dictionaries")
def test_types_and_header_agree_with_the_dictionaries() -> None:
    assert len(DICTIONARIES) > 5
    for path in DICTIONARIES:
        root = ElementTree.parse(path).getroot()
        types = [m.get("msgtype", "") for m in root.iterfind("messages/message")]
        assert [t for t in types if not is_defined_type(t.encode())] == []
        numbers = {f.get("name"): int(f.get("number", "0")) for f in root.iterfind("fields/field")}
        header = {numbers[f.get("name")] for f in root.iterfind("header/field")}
        assert header <= HEADER_TAGS
        assert {numbers[f.get("name")] for f in root.iterfind("trailer/field")} <= TRAILER_TAGS


@pytest.mark.parametrize("message_type", ["", "U", "O", "I", "U6", "ZZ", "EC", "aa", "AAA", "1A"])
def test_private_and_impossible_types_are_not_defined(message_type: str) -> None:
    assert not is_defined_type(message_type.encode())


@pytest.mark.parametrize("end", ["", "93=3|89=a\x01b|", "58=x|93=1|89=a|10=000|"])
def test_trailer_at_the_end_is_fine(end: str) -> None:
    assert check_content(message(HEADER.format("0") + end)) is None


def test_body_behind_the_trailer_is_out_of_order() -> None:
    fault = check_content(message(HEADER.format("0") + "93=1|89=a|58=x|"))
    assert fault is not None
    assert (fault.reason, fault.tag) == (RejectReason.TAG_OUT_OF_ORDER, 58)


def test_hops_in_the_header_may_repeat() -> None:
    hops = "627=2|628=A|629=20260101-00:00:00|628=B|629=20260101-00:00:00|"
    assert check_content(message(HEADER.format("0") + hops)) is None


def test_body_groups_may_repeat_in_application_messages() -> None:
    text = HEADER.format("8") + "37=V|17=E|150=F|39=1|136=2|137=1|138=USD|137=2|138=USD|"
    assert check_content(message(text)) is None


def test_missing_comp_id_is_a_matter_of_content_not_of_identity() -> None:
    text = HEADER.format("0").replace("49=VENUE|", "")
    assert check_header(message(text), RULES, 1_767_225_600 * 10**9, 1) is None
