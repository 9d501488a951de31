"""Scripts for the scripted engine: when the caller says ..., answer, call, stay silent."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

DEFAULT_ANSWER = (
    "This is the scripted engine. It always says the same, so that everything around it can be measured."
)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; `arguments` is a JSON object as text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Step:
    """What to do once: say something, call tools, fail, or (all empty) stay silent. `usage` is (input, output) tokens."""

    answer: str = ""
    calls: tuple[Call, ...] = ()
    fail: str | None = None
    usage: tuple[int, int] | None = None


class _CallEntry(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    arguments: dict[str, object] = {}


class _RuleEntry(msgspec.Struct, forbid_unknown_fields=True):
    when: str
    answer: str = ""
    calls: list[_CallEntry] = []
    silent: bool = False
    fail: str | None = None


class _ScriptFile(msgspec.Struct, forbid_unknown_fields=True):
    answer: str = DEFAULT_ANSWER
    rules: list[_RuleEntry] = []


@dataclass(frozen=True, slots=True)
class Script:
    """The first rule whose `when` is contained in what was said applies, otherwise the default step."""

    default: Step = field(default_factory=lambda: Step(DEFAULT_ANSWER))
    rules: tuple[tuple[str, Step], ...] = ()

    def step(self, said: str) -> Step:
        """What to do when this was said (a caller's words, or a tool's output)."""
        lowered = said.lower()
        for when, step in self.rules:
            if when.lower() in lowered:
                return step
        return self.default


def read_script(path: Path) -> Script:
    """Read a TOML script. Raises ValueError with the file's name and what is wrong in it.

    answer = "said when no rule fits"
    [[rules]]
    when = "order"
    calls = [{ name = "get_order_status", arguments = { order_id = "B2" } }]
    """
    try:
        parsed = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _ScriptFile)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return Script(Step(parsed.answer), tuple((rule.when, _step(rule)) for rule in parsed.rules))


def _step(rule: _RuleEntry) -> Step:
    calls = tuple(Call(call.name, msgspec.json.encode(call.arguments).decode()) for call in rule.calls)
    return Step("" if rule.silent else rule.answer, calls, rule.fail)
