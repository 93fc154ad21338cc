"""docs/risk.md: every test that the table of controls names exists."""

# tidy-ok: about a page, not a module

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?P<id>[A-Z0-9, ]+|all) \|.*\|$", re.MULTILINE)
NAMED = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)`")


def missing_tests(text: str) -> list[str]:
    """Each test that is named and not there."""
    missing = []
    for file, test in NAMED.findall(text):
        path = REPOSITORY / file
        if not path.is_file() or f"def {test}(" not in path.read_text():
            missing.append(f"{file}::{test}")
    return missing


def test_every_test_of_the_table_exists() -> None:
    text = (REPOSITORY / "docs" / "risk.md").read_text()
    assert missing_tests(text) == []
    assert len(NAMED.findall(text)) > 40


def test_every_control_of_the_list_has_a_row() -> None:
    rows = ROW.findall((REPOSITORY / "docs" / "risk.md").read_text())
    assert {f"P{number}" for number in range(1, 14)} <= set(rows)


def test_a_test_that_is_not_there_is_found() -> None:
    named = "`tests/style/test_control_table.py::test_no_such`"
    assert missing_tests(named) == ["tests/style/test_control_table.py::test_no_such"]
    assert missing_tests("`tests/none.py::test_no_such`") == ["tests/none.py::test_no_such"]
