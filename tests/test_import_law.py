"""The source obeys the import law and the budgets, and each rule of the law catches what it is there for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.import_law import RANK, imports, read_modules, violations

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "vivavoce"


def grow(root: Path, files: dict[str, str]) -> Path:
    """A package `vivavoce` under `root` with every room of the law and these modules."""
    package = root / "vivavoce"
    for room in (*RANK, "testing", "demo", "studio"):
        if room not in ("cli", "__main__"):
            (package / room).mkdir(parents=True)
            (package / room / "__init__.py").write_text("")
    (package / "__init__.py").write_text('__version__ = "0"\n')
    (package / "cli.py").write_text("")
    for name, source in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return package


def fields(count: int, kind: str = "int") -> str:
    return "".join(f"    field_{number}: {kind}\n" for number in range(count))


def statements(count: int) -> str:
    return "".join(f"    x = {number}\n" for number in range(count))


def test_the_source_obeys_the_law() -> None:
    assert len(read_modules(PACKAGE)) > 10
    assert violations(PACKAGE) == []


LAWFUL = {
    "to the left": {"call/driver.py": "from vivavoce.session import x\nimport vivavoce.audio.levels\n"},
    "own room": {"session/a.py": "from vivavoce.session.b import B\nfrom . import c\n"},
    "the package's version": {"server/app.py": "from vivavoce import __version__\n"},
    "cli names demo in a function": {"cli.py": "def demo():\n    from vivavoce.demo import run\n"},
    "demo imports all": {"demo/a.py": "import openai\nfrom vivavoce.cli import main\n"},
    "what plugs share lies beside them": {"engines/scripted/a.py": "from vivavoce.engines import vad\n"},
    "heavy inside a function": {"engines/cascade/vad.py": "def load():\n    import onnxruntime\n"},
    "heavy for mypy only": {"engines/a.py": "if TYPE_CHECKING:\n    import onnxruntime\n"},
    "heavy in a worker": {"engines/cascade/stt_worker.py": "import pocketsphinx\n"},
    "heavy in a late module": {
        "mcp/wire.py": "import httpx2\n",
        "mcp/connection.py": "from vivavoce.mcp import wire\n",
    },
    "a late module inside a function": {"mcp/tools.py": "def load():\n    from vivavoce.mcp import wire\n"},
    "wire struct of any size": {"protocol/a.py": "class A(msgspec.Struct):\n" + fields(40, "bool")},
    "struct by a base": {"protocol/a.py": "class A(Struct):\n    x: int\nclass B(A):\n" + fields(40)},
    "sixty lines and a docstring": {
        "audio/a.py": 'def f():\n    """Text.\n\n    More.\n    """\n    # Why.\n\n' + statements(60)
    },
    "fifteen attributes": {"call/a.py": "class A:\n" + fields(15)},
}

UNLAWFUL = {
    "to the right": ({"protocol/a.py": "from vivavoce.session import x\n"}, "protocol imports session"),
    "to the right, relative": ({"session/a.py": "from ..call import x\n"}, "session imports call"),
    "to the right, in a function": (
        {"call/a.py": "def f():\n    import vivavoce.server\n"},
        "call imports server",
    ),
    "to the right, for mypy": (
        {"session/a.py": "if TYPE_CHECKING:\n    from vivavoce.engines import E\n"},
        "session imports engines",
    ),
    "to the right, by name": (
        {"session/a.py": 'import_module("vivavoce.server")\n'},
        "session imports server",
    ),
    "to the right, from the root": ({"audio/a.py": "from vivavoce import cli\n"}, "audio imports cli"),
    "a package's __init__": ({"protocol/__init__.py": "from ..call import x\n"}, "protocol imports call"),
    "siblings": ({"engines/a.py": "from vivavoce.transports import x\n"}, "engines imports transports"),
    "siblings at the left": ({"audio/a.py": "from vivavoce.protocol import x\n"}, "audio imports protocol"),
    "plugs of one room": (
        {"engines/relay/a.py": "from vivavoce.engines.scripted import x\n"},
        "engines/relay imports engines/scripted",
    ),
    "plugs of one room, relative": (
        {"transports/sip.py": "from . import twilio\n"},
        "transports/sip imports transports/twilio",
    ),
    "the package itself": (
        {"__init__.py": "from vivavoce.protocol import x\n"},
        "the package itself imports",
    ),
    "a room nobody named": ({"helping/a.py": "x = 1\n"}, "'helping' is not in the law"),
    "product imports demo": ({"server/a.py": "from vivavoce.demo import x\n"}, "server imports demo"),
    "product imports testing": ({"engines/a.py": "import vivavoce.testing\n"}, "engines imports testing"),
    "cli imports demo at once": ({"cli.py": "from vivavoce.demo import run\n"}, "cli imports demo outside"),
    "studio knows the product": ({"studio/a.py": "from vivavoce.call import x\n"}, "studio imports call"),
    "session: asyncio": ({"session/a.py": "import asyncio\n"}, "session imports asyncio"),
    "session: time": ({"session/a.py": "def f():\n    from time import monotonic\n"}, "session imports time"),
    "session: random": ({"session/a.py": "import random\n"}, "session imports random"),
    "session: uuid": ({"session/a.py": "from uuid import uuid4\n"}, "session imports uuid"),
    "session: numpy": ({"session/a.py": "import numpy as np\n"}, "session imports numpy"),
    "session: a web library": ({"session/a.py": "import starlette.types\n"}, "session imports starlette"),
    "protocol: a clock": ({"protocol/a.py": "import time\n"}, "protocol imports time"),
    "audio: a socket": ({"audio/a.py": "import socket\n"}, "audio imports socket"),
    "call: a web framework": ({"call/a.py": "import fastapi\n"}, "call imports fastapi"),
    "pydantic on the event path": ({"transports/a.py": "import pydantic\n"}, "transports imports pydantic"),
    "the agents package elsewhere": (
        {"engines/a.py": "def f():\n    import agents\n"},
        "engines imports agents",
    ),
    "heavy at once": ({"engines/a.py": "import onnxruntime\n"}, "onnxruntime is imported outside"),
    "heavy in a class body": (
        {"audio/a.py": "class A:\n    import soundfile\n"},
        "soundfile is imported outside",
    ),
    "module too long": ({"call/a.py": "x = 1\n" * 601}, "601 lines, at most 600"),
    "function too long": ({"call/a.py": "def f():\n" + statements(61)}, "f has 61 lines, at most 60"),
    "method too long": (
        {"call/a.py": "class A:\n    async def f(self):\n" + "        x = 1\n" * 61},
        "f has 61 lines",
    ),
    "too many fields": ({"call/a.py": "class A:\n" + fields(16)}, "A has 16 attributes"),
    "too many on self": (
        {
            "call/a.py": "class A:\n    a: int\n    def f(self):\n"
            + "".join(f"        self.x{number} = self.y{number}, z = 1, 2\n" for number in range(8))
        },
        "A has 17 attributes",
    ),
    "too many booleans": (
        {
            "call/a.py": "class A:\n    a: bool\n    b: bool\n    def f(self):\n"
            "        self.c = True\n        self.d: bool = g()\n"
        },
        "A has 4 booleans",
    ),
    "vague module": ({"call/audio_utils.py": ""}, "'audio_utils' says nothing"),
    "vague class": ({"call/a.py": "class CallManager: ...\n"}, "'CallManager' says nothing"),
}


@pytest.mark.parametrize("files", LAWFUL.values(), ids=LAWFUL.keys())
def test_what_the_law_allows(files: dict[str, str], tmp_path: Path) -> None:
    assert violations(grow(tmp_path, files)) == []


@pytest.mark.parametrize(("files", "complaint"), UNLAWFUL.values(), ids=UNLAWFUL.keys())
def test_what_the_law_catches(files: dict[str, str], complaint: str, tmp_path: Path) -> None:
    found = violations(grow(tmp_path, files))
    assert len(found) == 1, found
    assert complaint in found[0]


def test_relative_imports_are_resolved(tmp_path: Path) -> None:
    source = "from . import a\nfrom .b import c\nfrom .. import d\nfrom ...call.e import f\n"
    package = grow(tmp_path, {"engines/cascade/__init__.py": "", "engines/cascade/x.py": source})
    module = next(module for module in read_modules(package) if module.parts[-1] == "x")
    assert [found.name for found in imports(module)] == [
        "vivavoce.engines.cascade.a",
        "vivavoce.engines.cascade.b.c",
        "vivavoce.engines.d",
        "vivavoce.call.e.f",
    ]
