"""Finds a strategy class by the name that the config gives.

jerico_trend               shipped, or an installed package's entry point ``wow_engine.strategies``
package.module:Class       importable, or in the current directory
/path/to/file.py:Class     a file; ``:Class`` may be left out when it has one strategy
"""

import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from zlib import crc32

import engine.strategies
from engine.kernel.strategy_parameters import nearest
from engine.strategy import Strategy
from ext.errors import ConfigError, UsageError

ENTRY_POINT_GROUP = "wow_engine.strategies"
_OWN_FOLDERS = (Path(__file__).parent, Path(engine.__file__).parent)


def shipped_names() -> list[str]:
    """Names of the strategies that come with the engine."""
    modules = pkgutil.iter_modules(engine.strategies.__path__)
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def load_strategy(reference: str) -> type[Strategy]:
    """The class that ``reference`` names.

    Raises:
        ConfigError: nothing of that name (with the nearest known), a file that fails when it is
            imported (with the line), or a class that is not a strategy.
    """
    place, _, class_name = reference.partition(":")
    if place.endswith(".py"):
        module = _import(reference, lambda: _import_file(Path(place).expanduser()))
    elif class_name:
        _make_current_directory_importable(place)
        module = _import(reference, lambda: importlib.import_module(place))
    elif place in shipped_names():
        module = importlib.import_module(f"engine.strategies.{place}")
    else:
        return _load_entry_point(place)
    return _pick_class(module, class_name, reference)


def _load_entry_point(name: str) -> type[Strategy]:
    points: dict[str, EntryPoint] = {p.name: p for p in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in points:
        known = [*shipped_names(), *points]
        raise ConfigError(
            f"strategy class {name!r} is not known{nearest(name, known)} "
            "(your own: module:Class or /path/file.py:Class)"
        )
    module = _import(name, lambda: importlib.import_module(points[name].module))
    return _pick_class(module, points[name].attr, name)


def _import(reference: str, do_import: Callable[[], ModuleType]) -> ModuleType:
    try:
        return do_import()
    except ConfigError:
        raise
    except UsageError as error:  # ours, about a declaration in the file: it says everything
        where = _place_of(error) or f"strategy class {reference!r}"
        raise ConfigError(f"{where}: {error}") from error
    except Exception as error:  # whatever the strategist's file does when it is run
        where = ", ".join(filter(None, ("cannot be imported", _place_of(error))))
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"strategy class {reference!r} {where}: {reason}") from error


def _place_of(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return ""  # its own message names file and line
    frames = traceback.extract_tb(error.__traceback__)
    ours = (__file__, importlib.__file__)
    theirs = [
        frame
        for frame in frames
        if frame.filename not in ours
        and not frame.filename.startswith("<frozen")
        and Path(frame.filename).parent not in _OWN_FOLDERS
    ]
    return f"{theirs[-1].filename} line {theirs[-1].lineno}" if theirs else ""


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(
            f"strategy file {str(path)!r} does not exist; give the path of a .py file"
        )
    resolved = path.resolve()
    # Not the bare stem: a strategy file named like a package must not replace it.
    name = f"strategy_file_{resolved.stem}_{crc32(bytes(resolved)):08x}"
    specification = importlib.util.spec_from_file_location(name, resolved)
    if specification is None or specification.loader is None:
        raise ConfigError(f"strategy file {str(path)!r} cannot be read as Python")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _make_current_directory_importable(module_name: str) -> None:
    # At the end of the path: it can add a module, never shadow one.
    root = Path.cwd() / module_name.split(".", maxsplit=1)[0]
    directory = str(Path.cwd())
    if (root.is_dir() or root.with_suffix(".py").is_file()) and directory not in sys.path:
        sys.path.append(directory)


def _pick_class(module: ModuleType, class_name: str, reference: str) -> type[Strategy]:
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy
    }
    defined = {name: value for name, value in own.items() if value.__module__ == module.__name__}
    if not class_name:
        if len(defined) != 1:
            names = ", ".join(sorted(defined)) or "no strategy"
            raise ConfigError(f"strategy class {reference!r} holds {names}; add :Class")
        return next(iter(defined.values()))
    if class_name in own:
        return own[class_name]
    if hasattr(module, class_name):
        raise ConfigError(f"strategy class {reference!r} is not a subclass of Strategy")
    hint = nearest(class_name, own)
    raise ConfigError(f"strategy class {reference!r}: no class {class_name!r} there{hint}")
