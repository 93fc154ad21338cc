from ext.wire import Side, Step
from journal import names


def test_names_have_no_prefix() -> None:
    assert names.name_of(names.ENGINE_STATES, 2) == "PAUSED"
    assert names.name_of(names.SESSION_STATES, 4) == "ACTIVE"
    assert names.name_of(names.INTENT_KINDS, 1) == "NEW"
    assert names.STEPS[int(Step.STEP_TICK_TO_ORDER)] == "tick to order"
    assert len(names.STEPS) == int(Step.STEP_COUNT)


def test_an_unknown_code_is_its_number() -> None:
    assert names.name_of(names.VERDICTS, 999) == "999"


def test_sides() -> None:
    assert [names.side_name(side) for side in (Side.BUY, Side.SELL, 0)] == ["BUY", "SELL", ""]
