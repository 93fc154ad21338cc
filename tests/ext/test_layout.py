"""The records of ``ext/wire.pxd`` as the C compiler laid them out, against ``ext/dtypes.py``."""
# tidy-ok: compares wire.pxd and dtypes.py, with ext/layout.pyx as the C side

import ast
import enum
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ext import bounds, dtypes, wire
from ext.errors import UsageError
from ext.layout import struct_layout, struct_size

RECORDS = {
    "Bar": dtypes.BAR,
    "Blob": dtypes.BLOB,
    "BookDelta": dtypes.BOOK_DELTA,
    "BookView": dtypes.BOOK_VIEW,
    "BreakerState": dtypes.BREAKER_STATE,
    "ExecutionReport": dtypes.EXECUTION_REPORT,
    "Fill": dtypes.FILL,
    "GuardState": dtypes.GUARD_STATE,
    "Intent": dtypes.INTENT,
    "Intents": dtypes.INTENTS,
    "Order": dtypes.ORDER,
    "Position": dtypes.POSITION,
    "Record": dtypes.RECORD,
    "RequestTerms": dtypes.REQUEST_TERMS,
    "SharedHeader": dtypes.SHARED_HEADER,
    "Timer": dtypes.TIMER,
    "Trade": dtypes.TRADE,
    "WorkingOrder": dtypes.WORKING_ORDER,
}


def numpy_layout(dtype: np.dtype[Any]) -> dict[str, tuple[int, int]]:
    assert dtype.fields is not None
    return {
        name: (int(dtype.fields[name][1]), dtype.fields[name][0].itemsize)
        for name in dtype.names or ()
    }


@pytest.mark.parametrize("name", RECORDS)
def test_fields_stand_where_numpy_looks_for_them(name: str) -> None:
    dtype = RECORDS[name]
    layout = struct_layout(name)
    assert list(layout) == list(dtype.names or ())
    assert layout == numpy_layout(dtype)
    assert struct_size(name) == dtype.itemsize


def test_every_dtype_is_compared() -> None:
    found = {name for name, value in vars(dtypes).items() if isinstance(value, np.dtype)}
    compared = {name for name in found if any(getattr(dtypes, name) is d for d in RECORDS.values())}
    assert found - compared == {"NAME"}, "NAME has no C struct: it is written by Python alone"


def test_layout_covers_every_byte_of_records_without_padding() -> None:
    for name in RECORDS:
        assert sum(size for _, size in struct_layout(name).values()) == struct_size(name)


def test_ring_record_is_two_cache_lines() -> None:
    assert struct_size("Record") == 128
    offset, _ = struct_layout("Record")["order_number"]
    assert struct_size("Record") - offset == bounds.Bound.TEXT_BYTES, "a text ends the record"


def test_unknown_record_is_named() -> None:
    with pytest.raises(UsageError, match="'Nothing'; use one of Bar, Blob, BookDelta"):
        struct_layout("Nothing")


def stub_enums(path: Path) -> dict[str, dict[str, int]]:
    """Enumerations and their values as the .pyi says them."""
    tree = ast.parse(path.read_text())
    return {
        node.name: {
            item.targets[0].id: ast.literal_eval(item.value)
            for item in node.body
            if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


@pytest.mark.parametrize(
    "module_name", ["ext.wire", "ext.safety_records", "ext.bounds", "ext.orders"]
)
def test_stub_enums_equal_the_compiled_ones(module_name: str) -> None:
    module = importlib.import_module(module_name)
    compiled: dict[str, dict[str, int]] = {}
    for name, value in vars(module).items():
        if isinstance(value, enum.EnumMeta) and value.__module__ == module_name:
            members: dict[str, Any] = dict(value.__members__)
            compiled[name] = {label: int(member) for label, member in members.items()}
    source = Path(__file__).parents[2].joinpath(*module_name.split(".")).with_suffix(".pyi")
    stated = {name: values for name, values in stub_enums(source).items() if values}
    assert compiled, f"{module_name} has no enumeration at run time"
    assert stated == compiled


def test_values_on_disk_are_never_renumbered() -> None:
    """Journals hold these numbers: a failure here is a format change, not a test to adapt."""
    assert (wire.Side.BUY, wire.Side.SELL) == (1, -1)
    assert [int(kind) for kind in wire.RecordKind][:7] == [1, 2, 3, 4, 5, 6, 7]
    assert [int(state) for state in wire.OrderState] == list(range(12))
    assert [int(state) for state in wire.BookState] == list(range(5))
    assert len(wire.Step) - 1 == wire.Step.STEP_COUNT


@pytest.mark.parametrize(
    "name", ["SHARED_HEADER", "NAME", "BOOK_VIEW", "POSITION", "ORDER", "BREAKER_STATE"]
)
@pytest.mark.parametrize("change", ["renamed", "wider", "swapped"])
def test_layout_hash_changes_with_each_shared_record(
    name: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dtypes.layout_hash()
    fields = list(getattr(dtypes, name).descr)
    if change == "renamed":
        fields[1] = ("something_else", *fields[1][1:])
    elif change == "wider":
        fields.append(("one_more", "<i8"))
    else:
        fields[0], fields[1] = fields[1], fields[0]
    monkeypatch.setattr(dtypes, name, np.dtype(fields))
    assert dtypes.layout_hash() != before


@pytest.mark.parametrize("name", bounds.Bound.__members__)
def test_layout_hash_changes_with_each_bound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a bound whose value is another one's: to Python they are the same member."""
    before = dtypes.layout_hash()
    assert before == dtypes.layout_hash()
    assert 0 < before < 2**63
    values = {label: int(bound) for label, bound in bounds.Bound.__members__.items()}
    values[name] = int(bounds.Bound.MAX_REQUESTS) if values[name] == 65536 else 65536
    monkeypatch.setattr(dtypes, "Bound", enum.IntEnum("Bound", values))
    assert dtypes.layout_hash() != before
