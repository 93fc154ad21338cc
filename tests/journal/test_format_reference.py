from ext.dtypes import BLOB, RECORD, REQUEST_TERMS
from ext.wire import Command, RecordKind, ReportFormat
from journal.format_reference import PAGE, SCHEMA, Line, parse_schema, render_page

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_made_from_the_schema() -> None:
    assert render_page(TEXT) == TEXT, "run `python -m journal.format_reference`"


def test_the_schema_is_read_whole() -> None:
    schema = parse_schema(SCHEMA.read_text(encoding="utf-8"))
    for name, dtype in (("Record", RECORD), ("Blob", BLOB), ("RequestTerms", REQUEST_TERMS)):
        assert [line.name for line in schema[name]] == list(dtype.names or ())
    for name, enumeration in (
        ("RecordKind", RecordKind),
        ("ReportFormat", ReportFormat),
        ("Command", Command),
    ):
        found = {line.name: line.value for line in schema[name]}
        assert found == {label: int(value) for label, value in enumeration.__members__.items()}


def test_comments_that_go_on_are_joined() -> None:
    source = (
        "cpdef enum Kind:\n"
        "    ONE = 1                     # first,\n"
        "    #                             and more\n"
        "    # A line of its own is about what follows.\n"
        "    TWO = 2\n"
        "\n"
        "cdef struct Thing:              # of some kind\n"
        "    int64_t a                   # in ticks\n"
        "    char name[TEXT_BYTES]\n"
    )
    assert parse_schema(source) == {
        "Kind": [Line("ONE", 1, "first, and more"), Line("TWO", 2, "")],
        "Thing": [Line("a", None, "in ticks"), Line("name", None, "")],
    }


def test_every_kind_is_on_the_page() -> None:
    for kind in RecordKind:
        assert f"| {int(kind)} | `{kind.name.removeprefix('RECORD_')}` |" in TEXT
    assert "<!-- begin: kinds -->" in TEXT
