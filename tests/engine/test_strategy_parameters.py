"""Parameters: from the config's values to whole numbers of an instrument."""

import math
from decimal import Decimal

import pytest

from engine.instruments import Instrument
from engine.kernel.strategy_parameters import bind_parameters
from engine.strategy import Array, Bool, Float, Int, Params, Price, Quantity, State
from ext.errors import ConfigError, UsageError

INSTRUMENT = Instrument("BTC-USD", Decimal("0.05"), Decimal("0.001"))
PARAMS = Params(
    fast=Int(12, minimum=1, maximum=1000),
    floor=Int(3, minimum=0),
    count=7,
    lean=0.15,
    share=Float(0.5, minimum=0.0, maximum=1.0),
    is_patient=True,
    quantity=Quantity("0.01"),
    edge=Price("0.10"),
)


def bind(**overrides: object) -> dict[str, int | float]:
    return bind_parameters(PARAMS, overrides, INSTRUMENT, "trend")


def test_defaults_in_whole_ticks_and_lots() -> None:
    assert bind() == {
        "fast": 12,
        "floor": 3,
        "count": 7,
        "lean": 0.15,
        "share": 0.5,
        "is_patient": 1,
        "quantity": 10,
        "edge": 2,
    }


def test_overrides() -> None:
    values = bind(fast=1000, lean=1, is_patient=False, quantity="2", edge="0", count=-(2**63))
    assert (values["fast"], values["lean"], values["is_patient"]) == (1000, 1.0, 0)
    assert (values["quantity"], values["edge"], values["count"]) == (2000, 0, -(2**63))
    assert bind(quantity=3)["quantity"] == 3000


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("fsat", 1, "trend has no parameter 'fsat'; did you mean 'fast'?"),
        ("fast", 0, "parameter fast of trend was 0; use a whole number from 1 to 1000"),
        ("fast", 1001, "parameter fast of trend was 1001; use a whole number from 1 to 1000"),
        ("fast", 12.0, "parameter fast of trend was 12.0; use a whole number from 1 to 1000"),
        ("fast", True, "parameter fast of trend was True; use a whole number from 1 to 1000"),
        ("floor", -1, "parameter floor of trend was -1; use a whole number from 0 up"),
        ("count", 2**63, f"parameter count of trend was {2**63}; use a whole number"),
        ("lean", "0.1", "parameter lean of trend was '0.1'; use a number"),
        ("lean", math.nan, "parameter lean of trend was nan; use a number"),
        ("share", 1.01, "parameter share of trend was 1.01; use a number from 0 to 1"),
        ("is_patient", 1, "parameter is_patient of trend was 1; use true or false"),
        (
            "quantity",
            0.01,
            'parameter quantity of trend was 0.01; use a positive quantity as text, such as "0.01"',
        ),
        (
            "quantity",
            "0",
            "parameter quantity of trend was '0'; "
            'use a positive quantity as text, such as "0.01"',
        ),
        (
            "quantity",
            "0.0015",
            "parameter quantity of trend: BTC-USD quantity 0.0015 is not a whole number of lots "
            "of 0.001",
        ),
        (
            "edge",
            "0.07",
            "parameter edge of trend: BTC-USD price 0.07 is not a whole number of ticks of 0.05",
        ),
        ("edge", "-0.05", "parameter edge of trend was '-0.05'; use a price as text"),
        ("edge", "much", "parameter edge of trend: BTC-USD price much is not a decimal number"),
    ],
)
def test_a_value_that_cannot_be_used(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bind(**{name: value})
    assert str(caught.value).startswith(message)


def test_bare_declarations_are_defaults_without_a_range() -> None:
    declarations = Params(a=1, b=1.0, c=True).declarations
    assert [type(item) for item in declarations.values()] == [Int, Float, Bool]


def test_a_declaration_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"parameter quantity was declared as '0\.01'; use a"):
        Params(quantity="0.01")  # type: ignore[arg-type]


def test_state_record_holds_parameters_fields_and_their_first_values() -> None:
    parameters = bind()
    state = State(a=float, b=int, c=bool, d=2.5, e=-3, f=Array(float, "count"), g=Array(int, 2))
    record = state.bind(PARAMS, parameters)
    assert record.shape == (1,)
    assert record.dtype.names == ("params", "a", "b", "c", "d", "e", "f", "g", "failures")
    assert record.dtype.isalignedstruct
    assert {name: record["params"][name][0] for name in parameters} == parameters
    assert [record[name][0] for name in "abcde"] == [0.0, 0, 0, 2.5, -3]
    assert record["f"].shape == (1, 7)
    assert [record[name].dtype.str for name in "fg"] == ["<f8", "<i8"]


def test_parameters_and_state_may_be_empty() -> None:
    assert State().bind(Params(), {})["failures"][0] == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"params": float}, "state field params: the name is taken"),
        ({"failures": int}, "state field failures: the name is taken"),
        ({"x": str}, "state field x was declared as <class 'str'>; use an indicator"),
        ({"x": Array}, "state field x was declared as"),
        ({"x": [1]}, "state field x was declared as"),
    ],
)
def test_a_state_field_that_cannot_be_used(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        State(**fields)


def test_an_array_has_a_bound() -> None:
    assert State(x=Array(float, 4096)).bind(Params(), {})["x"].shape == (1, 4096)
    with pytest.raises(ConfigError, match=r"state x: Array.* was 4097; use .* from 1 to 4096"):
        State(x=Array(float, 4097)).bind(Params(), {})
