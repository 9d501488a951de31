"""The import law and the size budgets of ARCHITECTURE.md, as functions over a source tree.

`protocol`, `audio` <- `session` <- `call` <- `engines`, `transports`, `agents`, `store` <- `server` <-
`cli`: a room knows only rooms to its left, never a sibling. `testing`, `evals`, `demo`, `talk` and `bench`
may import anything; of the product only `cli` imports them, inside functions, so that `vivavoce --help`
never pays for them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

RANKS = (
    ("protocol", "audio"),
    ("session",),
    ("call",),
    ("engines", "transports", "agents", "store", "mcp"),
    ("server",),
    ("cli",),
    ("__main__",),
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
FREE = frozenset({"testing", "evals", "demo", "talk", "bench"})
ISOLATED = frozenset({"studio"})
"""Front ends that speak HTTP: they import nothing of the product."""

PLUGS = {
    "engines": frozenset({"cascade", "relay", "scripted"}),
    "transports": frozenset({"websocket", "webrtc", "twilio", "sip"}),
}
"""Inside a room: plugs of equal shape that never import each other."""

WORLD = frozenset(
    [
        "asyncio",
        "time",
        "datetime",
        "random",
        "uuid",
        "secrets",
        "threading",
        "socket",
        "subprocess",
        "multiprocessing",
        "concurrent",
        "select",
        "selectors",
        "ssl",
        "http",
        "urllib",
        "sched",
        "signal",
    ]
)
"""Standard modules that bring in a clock, chance or the outside."""

FORBIDDEN_STANDARD = {
    "session": WORLD,
    "protocol": WORLD,
    "audio": WORLD,
}
ALLOWED_FOREIGN = {
    "protocol": frozenset({"msgspec", "pybase64"}),
    "audio": frozenset({"numpy", "soxr", "soundfile", "pybase64", "msgspec"}),
    "session": frozenset({"msgspec"}),
}
"""For rooms that are pure: the only packages from outside they may know."""

WEB = frozenset({"fastapi", "starlette", "uvicorn", "websockets", "httpx", "aiohttp", "openai", "aiortc"})
FORBIDDEN_FOREIGN = {"call": WEB, "store": WEB}
CONFINED = {
    "pydantic": frozenset({"server"}),
    "agents": frozenset({"agents"}),
    "mcp": frozenset({"mcp"}),
    "mcp_types": frozenset({"mcp"}),
    "httpx2": frozenset({"mcp"}),
    "httpcore2": frozenset({"mcp"}),
}
"""Packages from outside that only these rooms (and the free ones) may import."""

HEAVY = frozenset(
    {
        *("onnxruntime", "pocketsphinx", "soundfile", "openai", "sounddevice", "agents"),
        *("mcp", "mcp_types", "httpx2", "httpcore2"),
    }
)
"""Packages that cost start-up time or memory: imported inside functions, in a worker process's own modules,
or in a late one."""
LATE = frozenset({"vivavoce.mcp.connection", "vivavoce.mcp.wire"})
"""Modules that import heavy packages at their top, and are therefore imported inside functions themselves,
or by each other."""

MODULE_LINES = 600
FUNCTION_LINES = 60
CLASS_ATTRIBUTES = 15
CLASS_BOOLEANS = 3
VAGUE = frozenset({"manager", "helper", "helpers", "util", "utils", "processor", "service", "data"})


@dataclass(frozen=True)
class Import:
    """One imported thing: its dotted name, the line, and whether the import waits for a call (or for
    mypy)."""

    name: str
    line: int
    lazy: bool

    @property
    def top(self) -> str:
        return self.name.split(".", 1)[0]


@dataclass(frozen=True)
class Module:
    """A source file and where it lies in the package: `parts` is ("vivavoce", room, ...)."""

    path: Path
    parts: tuple[str, ...]
    tree: ast.Module
    lines: int

    @property
    def room(self) -> str:
        return self.parts[1] if len(self.parts) > 1 else ""

    def at(self, line: int, complaint: str) -> str:
        return f"{'/'.join(self.parts)}:{line}: {complaint}"


def read_modules(package: Path) -> list[Module]:
    """Every module under `package`, a folder such as src/vivavoce."""
    modules = []
    for path in sorted(package.rglob("*.py")):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        source = path.read_text(encoding="utf-8")
        lines = len(source.splitlines())
        modules.append(Module(path, parts, ast.parse(source, str(path)), lines))
    return [_named(module) for module in modules]


def violations(package: Path) -> list[str]:
    """Everything under `package` that breaks the law or a budget, one line each."""
    modules = read_modules(package)
    rooms = {module.room for module in modules}
    wire = wire_classes(modules)
    found: list[str] = []
    for module in modules:
        found += room_violations(module, rooms)
        found += foreign_violations(module)
        found += late_violations(module)
        found += size_violations(module, wire)
        found += name_violations(module)
    return found


def imports(module: Module) -> Iterator[Import]:
    """Every import of a module, with relative ones resolved and `import_module("...")` counted."""
    for node, lazy in _walk(module.tree, lazy=False):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            yield from (Import(f"{base}.{alias.name}", node.lineno, lazy) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            target = node.args[0]
            if isinstance(target, ast.Constant) and isinstance(target.value, str):
                yield Import(target.value, node.lineno, lazy)


def room_violations(module: Module, rooms: set[str]) -> Iterator[str]:
    """What a module imports of the product that its room may not know."""
    room = module.room
    if room and room not in RANK and room not in FREE and room not in ISOLATED:
        yield module.at(1, f"room {room!r} is not in the law")
        return
    for imported in imports(module):
        names = imported.name.split(".")
        if names[0] != module.parts[0] or len(names) < 2 or names[1] not in rooms or names[1] == room:
            yield from _separation(module, imported, names)
            continue
        target = names[1]
        if target in FREE and room == "cli" and not imported.lazy:
            yield module.at(imported.line, f"cli imports {target} outside a function")
        elif not _may_import(room, target):
            yield module.at(imported.line, f"{room or 'the package itself'} imports {target}")


def foreign_violations(module: Module) -> Iterator[str]:
    """Packages from outside, and standard modules, that the room may not know or not load so early."""
    room = module.room
    if room in FREE:
        return
    for imported in imports(module):
        top = imported.top
        if top in (module.parts[0], "__future__"):
            continue
        if top in sys.stdlib_module_names:
            if top in FORBIDDEN_STANDARD.get(room, ()):
                yield module.at(imported.line, f"{room} imports {top}")
            continue
        allowed = ALLOWED_FOREIGN.get(room)
        outside = allowed is not None and top not in allowed
        if outside or top in FORBIDDEN_FOREIGN.get(room, ()) or room not in CONFINED.get(top, {room}):
            yield module.at(imported.line, f"{room} imports {top}")
        elif top in HEAVY and not (imported.lazy or runs_in_worker(module) or is_late(module)):
            yield module.at(imported.line, f"{top} is imported outside a function")


def is_late(module: Module) -> bool:
    """Whether the module is only ever imported inside functions."""
    return ".".join(module.parts) in LATE


def late_violations(module: Module) -> Iterator[str]:
    """Late modules that are imported too early."""
    for imported in imports(module):
        early = not (imported.lazy or is_late(module))
        if early and any(imported.name == late or imported.name.startswith(f"{late}.") for late in LATE):
            yield module.at(imported.line, f"{imported.name} is imported outside a function")


def runs_in_worker(module: Module) -> bool:
    """Whether the module is a worker process's own, named so: `worker.py`, `stt_worker.py` or under
    `workers/`."""
    return module.parts[-1].split("_")[-1] == "worker" or "workers" in module.parts[:-1]


def size_violations(module: Module, wire: frozenset[str]) -> Iterator[str]:
    """Modules, functions and classes over their budgets."""
    if module.lines > MODULE_LINES:
        yield module.at(1, f"{module.lines} lines, at most {MODULE_LINES}")
    source = module.path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = code_lines(node, source)
            if length > FUNCTION_LINES:
                yield module.at(node.lineno, f"{node.name} has {length} lines, at most {FUNCTION_LINES}")
        elif isinstance(node, ast.ClassDef) and node.name not in wire:
            yield from _class_violations(module, node)


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, source: list[str]) -> int:
    """Lines of a function's body that hold code: no docstring, no comment, no blank line."""
    body = function.body
    first = body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    if is_text and isinstance(first.value.value, str):  # type: ignore[attr-defined]
        body = body[1:]
    if not body:
        return 0
    lines = source[body[0].lineno - 1 : function.end_lineno]
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))


def wire_classes(modules: Iterable[Module]) -> frozenset[str]:
    """Names of classes that only describe what goes over the wire or into a table: structs, typed dicts,
    enums."""
    bases: dict[str, set[str]] = {}
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, set()).update(_dotted_last(base) for base in node.bases)
    wire = {"Struct", "TypedDict", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "BaseModel", "Structure"}
    while True:
        more = {name for name, of in bases.items() if of & wire} - wire
        if not more:
            return frozenset(wire)
        wire |= more


def attributes(node: ast.ClassDef) -> dict[str, bool]:
    """The attributes of a class's instances, and whether each is a boolean.

    Counted are annotated fields (not ClassVar) and whatever a method assigns on `self`.
    """
    found: dict[str, bool] = {}
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            annotation = ast.unparse(statement.annotation)
            if not annotation.startswith(("ClassVar", "typing.ClassVar")):
                found[statement.target.id] = annotation == "bool"
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for name, is_boolean in _assigned_on_self(statement):
                found[name] = found.get(name, False) or is_boolean
    return found


def name_violations(module: Module) -> Iterator[str]:
    """Modules and classes named with a word that says nothing."""
    if VAGUE & set(module.parts[-1].lower().split("_")):
        yield module.at(1, f"module name {module.parts[-1]!r} says nothing")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in node.name)
            words = spaced.lower().split()
            if words and words[-1] in VAGUE:
                yield module.at(node.lineno, f"class name {node.name!r} says nothing")


def _may_import(room: str, target: str) -> bool:
    if room in FREE:
        return True
    if room in ISOLATED or not room:
        return False
    if target in FREE:
        return room == "cli"
    return target in RANK and RANK[target] < RANK[room]


def _separation(module: Module, imported: Import, names: list[str]) -> Iterator[str]:
    """Plugs of one room that know each other."""
    plugs = PLUGS.get(module.room, frozenset())
    own = module.parts[2] if len(module.parts) > 2 else ""
    same_room = names[:2] == [module.parts[0], module.room] and len(names) > 2
    if same_room and own in plugs and names[2] in plugs - {own}:
        yield module.at(imported.line, f"{module.room}/{own} imports {module.room}/{names[2]}")


def _class_violations(module: Module, node: ast.ClassDef) -> Iterator[str]:
    found = attributes(node)
    if len(found) > CLASS_ATTRIBUTES:
        yield module.at(node.lineno, f"{node.name} has {len(found)} attributes, at most {CLASS_ATTRIBUTES}")
    booleans = sum(found.values())
    acts = any(
        isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and not item.name.startswith("__")
        for item in node.body
    )
    if acts and booleans > CLASS_BOOLEANS:
        yield module.at(node.lineno, f"{node.name} has {booleans} booleans, at most {CLASS_BOOLEANS}")


def _assigned_on_self(method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, bool]]:
    for node in ast.walk(method):
        if isinstance(node, ast.Assign):
            is_boolean = isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool)
            for target in node.targets:
                elements = target.elts if isinstance(target, ast.Tuple) else [target]
                yield from ((element.attr, is_boolean) for element in elements if _is_on_self(element))  # type: ignore[attr-defined]
        elif (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Attribute)
            and _is_on_self(node.target)
        ):
            yield node.target.attr, ast.unparse(node.annotation) == "bool"


def _is_on_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _walk(node: ast.AST, *, lazy: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        waits = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.If) and _dotted_last(child.test) == "TYPE_CHECKING":
            yield child, lazy
            for statement in child.body:
                yield statement, True
                yield from _walk(statement, lazy=True)
            for statement in child.orelse:
                yield statement, lazy
                yield from _walk(statement, lazy=lazy)
            continue
        yield child, waits
        yield from _walk(child, lazy=waits)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = module.path.name == "__init__.py"
    parts = module.parts if is_package else module.parts[:-1]
    base = parts[: len(parts) - (node.level - 1)]
    return ".".join([*base, *([node.module] if node.module else [])])


def _called(node: ast.Call) -> str:
    return _dotted_last(node.func)


def _dotted_last(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        return _dotted_last(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _named(module: Module) -> Module:
    """A package's `__init__` goes by the package's name."""
    if module.parts[-1] != "__init__":
        return module
    return Module(module.path, module.parts[:-1], module.tree, module.lines)
