"""What the inputs of a behaviour mean: lines of clients and of the engine."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from vivavoce.call.driver import Call
from vivavoce.protocol.responses import LogProb
from vivavoce.session.signals import (
    ClauseSpoken,
    EngineFailed,
    Prepared,
    ResponseFinished,
    TextDelta,
    TokenUsage,
    ToolCall,
    TranscriptFailed,
    TranscriptFinished,
    TranscriptPartial,
    TurnCompleteness,
)
from vivavoce.testing.attachments import Listening
from vivavoce.testing.puppet import PuppetCall, Task
from vivavoce.testing.words import Names, Words, split_words


class ScriptError(ValueError):
    """An input that means nothing."""


class ClientLines:
    """`client ...`, or the name of another connection that has joined."""

    def __init__(self, call: Call, connections: dict[str, Listening], names: Names) -> None:
        self._call = call
        self._connections = connections
        self._names = names

    def act(self, who: str, what: str) -> None:
        """Do what a line says."""
        if what == "joins":
            self._connections[who] = Listening(who, from_start=False)
            self._call.join(self._connections[who])
        elif who not in self._connections:
            raise ScriptError(f"nobody is called '{who}'")
        elif what == "leaves":
            self._call.leave(who)
        elif what.startswith("raw "):
            self._call.receive(who, what.removeprefix("raw "))
        else:
            self._call.receive(who, json.dumps(self._event(what)))

    def _event(self, what: str) -> dict[str, Any]:
        name, _, rest = what.partition(" ")
        words = split_words(rest)
        given = Words(self._names.fill(words.plain), self._names.fill(words.pairs))
        if name == "says":
            content = [{"type": "input_text", "text": given.plain[0]}]
            return _create({"type": "message", "role": "user", "content": content}, given)
        if name == "outputs":
            call_id, output = given.plain
            text = output if isinstance(output, str) else json.dumps(output)
            return _create({"type": "function_call_output", "call_id": call_id, "output": text}, given)
        return _wire_event(name, given)


def _create(item: dict[str, Any], given: Words) -> dict[str, Any]:
    pairs = dict(given.pairs)
    event: dict[str, Any] = {"type": "conversation.item.create", "item": item}
    if "after" in pairs:
        event["previous_item_id"] = pairs.pop("after")
    if "id" in pairs:
        item["id"] = pairs.pop("id")
    return event | pairs


def _wire_event(name: str, given: Words) -> dict[str, Any]:
    body = given.plain[0] if given.plain else None
    match name:
        case "session.update":
            return {"type": name, "session": {"type": "realtime", **(body or {})}, **given.pairs}
        case "response.create":
            return {"type": name, **({"response": body} if body is not None else {}), **given.pairs}
        case "conversation.item.create":
            return _create(dict(body or {}), given)
        case "conversation.item.truncate":
            return {"type": name, "content_index": 0, **given.pairs}
        case _:
            return {"type": name, **(body or {}), **given.pairs}


class EngineLines:
    """`stt ...`, `llm ...` and `tts ...`; `@2` behind the stage names the generation, otherwise it is the newest."""

    def __init__(self, puppet: PuppetCall, names: Names) -> None:
        self._puppet = puppet
        self._names = names

    def say(self, actor: str, what: str) -> None:
        """Let the engine say what a line says."""
        stage, _, which = actor.partition("@")
        words = split_words(what)
        first = words.plain[0] if words.plain else ""
        if stage == "eot":
            pause = self._puppet.pauses[int(which) - 1 if which else -1]
            self._puppet.emit(TurnCompleteness(pause.item_id, pause.at, float(first)))
            return
        if stage == "stt":
            self._stt(str(first), words, which)
            return
        if not self._puppet.tasks:
            raise ScriptError("nothing was asked of the engine yet")
        task = self._puppet.tasks[int(which) - 1 if which else -1]
        if first == "fails":
            message = str(words.plain[1]) if len(words.plain) > 1 else "it broke"
            self._puppet.emit(EngineFailed(task.generation, stage, "engine_error", message))
        elif stage == "llm":
            self._llm(task, str(first), words)
        else:
            self._tts(task, str(first), words)

    def _stt(self, first: str, words: Words, which: str) -> None:
        item_id = self._names.fill(f"<{which}>") if which else self._oldest_unheard()
        if first == "partial":
            self._puppet.emit(TranscriptPartial(item_id, str(words.plain[1])))
            return
        if item_id in self._puppet.unheard:
            self._puppet.unheard.remove(item_id)
        if first == "fails":
            self._puppet.emit(TranscriptFailed(item_id, "audio_unintelligible", str(words.plain[1])))
        else:
            logprobs = msgspec.convert(words.pairs.get("logprobs", []), tuple[LogProb, ...])
            self._puppet.emit(TranscriptFinished(item_id, first, logprobs))

    def _oldest_unheard(self) -> str:
        if not self._puppet.unheard:
            raise ScriptError("no transcript was asked for")
        return self._puppet.unheard[0]

    def _llm(self, task: Task, first: str, words: Words) -> None:
        match first:
            case "done":
                self._finish(task, words)
            case "calls":
                _, name, arguments = words.plain
                self._puppet.emit(ToolCall(task.generation, name, json.dumps(arguments)))
            case "heard":
                self._puppet.emit(Prepared(task.generation, str(words.plain[1])))
            case _:
                self._puppet.emit(TextDelta(task.generation, first))

    def _finish(self, task: Task, words: Words) -> None:
        usage = None
        if "input" in words.pairs:
            usage = TokenUsage(words.pairs["input"], words.pairs["output"])
        reason = words.pairs.get("reason", "stop")
        self._puppet.emit(ResponseFinished(task.generation, reason, usage))

    def _tts(self, task: Task, first: str, words: Words) -> None:
        if first == "done":
            for clause in task.clauses[-1:]:
                self._puppet.emit(ClauseSpoken(task.generation, clause))
            return
        if not first.endswith("ms") or not first[:-2].isdigit():
            raise ScriptError(f"'{first}' is not a number of milliseconds")
        said = str(words.plain[1]) if len(words.plain) > 1 else ""
        self._puppet.sound(task, int(first[:-2]), said)
