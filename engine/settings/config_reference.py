"""Writes the tables of ``docs/config.md`` from the schema.

``python -m engine.settings.config_reference`` does it; a test fails when page and schema differ.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

import engine
from engine.exit_codes import ExitCode
from engine.settings.config_keys import Key, keys_of
from engine.settings.config_schema import EngineConfig
from engine.settings.config_text import format_toml_value

PAGE = Path(engine.__file__).parents[1] / "docs" / "config.md"


def render_page(page: str) -> str:
    """The page with the text between its ``<!-- begin: x -->`` marks made new."""
    page = _replace_between(page, "keys", _render_keys())
    return _replace_between(page, "exit codes", _render_exit_codes())


def _replace_between(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{text}{end}{after}"


def _render_keys() -> str:
    return "\n".join(
        line
        for key in keys_of(EngineConfig)
        if key.table
        for line in _section_lines(key, key.table)
    )


def _section_lines(section: Key, table: type[Struct]) -> Iterator[str]:
    heading = f"[[{section.name}]]" if section.is_repeated else f"[{section.name}]"
    yield from (f"### `{heading}`", "", inspect.getdoc(table) or "", "")
    yield from ("| key | allowed | default | meaning |", "| --- | --- | --- | --- |")
    for key in keys_of(table):
        if key.table:
            for inner in keys_of(key.table):
                yield _row(f"{key.name}.{inner.name}", inner)
        else:
            yield _row(key.name, key)
    yield ""


def _row(name: str, key: Key) -> str:
    default = "required" if key.is_required else "none"
    if key.default is not None:
        default = f"`{format_toml_value(key.default)}`"
    allowed = "a reference" if key.is_secret else key.allowed
    return f"| `{name}` | {allowed} | {default} | {key.description} |"


def _render_exit_codes() -> str:
    rows = [f"| {code.value} | {code.name} | {code.meaning} |" for code in ExitCode]
    return "\n".join(["| status | name | meaning |", "| --- | --- | --- |", *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(render_page(PAGE.read_text()))
