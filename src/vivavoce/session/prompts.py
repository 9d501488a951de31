"""Stored prompts: what a reference in `session.prompt` or `response.prompt` stands for (docs/prompts.md).

Whoever keeps the prompts hands in a function that finds one; here the variables are filled in, and the client's own fields win over the
prompt's (protocol reference 3.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET

from vivavoce.protocol import errors
from vivavoce.protocol.images import check_image
from vivavoce.protocol.items import InputImage, InputItem, InputText, MessageItem
from vivavoce.protocol.refusals import kind_of
from vivavoce.protocol.response_overrides import ResponseConfig, override_response
from vivavoce.protocol.session_objects import Prompt, SessionObject
from vivavoce.protocol.sessions import merge_session

PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*\}\}")
"""`{{name}}` in a prompt's instructions."""
RESPONSE_FIELDS = (
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "max_output_tokens",
    "output_modalities",
)
"""What of a session a response has too; of its sound, the output's voice and format."""


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """A prompt as it is kept: fields of a session in the words of `session.update`, and values for variables nobody gives."""

    id: str
    version: str
    fields: dict[str, Any]
    defaults: dict[str, str] = field(default_factory=dict)


FindPrompt = Callable[[str, str | None], StoredPrompt | None]
"""A prompt by its id and version (None: the current one), or None where there is none."""


def no_prompts(prompt_id: str, version: str | None) -> StoredPrompt | None:
    """Nothing is stored."""
    return None


@dataclass(frozen=True, slots=True)
class FilledPrompt:
    """A prompt with its variables in: fields of a session, and the images that stand before the conversation."""

    fields: dict[str, Any]
    preface: tuple[InputItem, ...] = ()


def fill(reference: Prompt, find: FindPrompt, param: str) -> FilledPrompt:
    """What a reference stands for. Raises ClientError that names the field below `param`."""
    version = None if reference.version is UNSET else reference.version
    stored = find(reference.id, version)
    if stored is None:
        raise errors.unknown_prompt(reference.id, version, param)
    given = {} if reference.variables is UNSET else reference.variables
    template = str(stored.fields.get("instructions", ""))
    wanted = set(PLACEHOLDER.findall(template))
    for name in sorted(given.keys() - wanted):
        raise errors.invalid_because(f"{param}.variables.{name}", "the prompt has no such variable")
    for name in sorted(wanted - given.keys() - stored.defaults.keys()):
        raise errors.missing_parameter(f"{param}.variables.{name}")
    texts, images = dict(stored.defaults), dict[str, InputImage]()
    for name, value in given.items():
        read = _variable(value, f"{param}.variables.{name}")
        if isinstance(read, InputImage):
            images[name], texts[name] = read, f"(the image '{name}')"
        else:
            texts[name] = read
    instructions = PLACEHOLDER.sub(lambda place: texts[place[1]], template)
    fields = {**stored.fields, "instructions": instructions} if template else stored.fields
    return FilledPrompt(fields, _preface(reference.id, images))


def _variable(value: Any, param: str) -> str | InputImage:
    """A string, an `input_text` or an `input_image`."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise errors.invalid_type(param, "a string or an object", kind_of(value))
    kind = value.get("type")
    if kind == "input_text":
        if not isinstance(value.get("text"), str):
            raise errors.missing_parameter(f"{param}.text")
        return str(value["text"])
    if kind != "input_image":
        raise errors.unsupported_value(f"{param}.type", str(kind), ("input_text", "input_image"))
    url, detail = value.get("image_url"), value.get("detail") or "auto"
    if not isinstance(url, str):
        raise errors.missing_parameter(f"{param}.image_url")
    check_image(url, f"{param}.image_url")
    try:
        return msgspec.convert({"type": kind, "image_url": url, "detail": detail}, InputImage)
    except msgspec.ValidationError:
        raise errors.unsupported_value(f"{param}.detail", str(detail), ("auto", "low", "high")) from None


def _preface(prompt_id: str, images: dict[str, InputImage]) -> tuple[InputItem, ...]:
    return tuple(
        MessageItem(
            id=f"prompt:{prompt_id}:{name}",
            role="user",
            content=[InputText(text=f"The image '{name}':"), image],
        )
        for name, image in images.items()
    )


class Configuration:
    """The session as its client set it, with its stored prompt underneath.

    `session` is what counts and what is shown. A prompt is looked up when it is set; later changes of what is stored wait for the next
    `session.update` or session.
    """

    def __init__(
        self,
        opening: SessionObject,
        find: FindPrompt,
        given: dict[str, Any] | None = None,
        *,
        silence_duration_ms: int,
    ) -> None:
        """given: what of `opening` the client set. silence_duration_ms: of a `server_vad` that does not say."""
        self.session = opening
        self.preface: tuple[InputItem, ...] = ()
        self._own = opening
        self._find = find
        self._silence_duration_ms = silence_duration_ms
        self._filled: FilledPrompt | None = None
        self._direct = set(_paths(given or {}))
        if opening.prompt is not None:
            self._look_up(opening)
            self.session = self._effective(opening, self._direct)

    def update(
        self,
        patch: dict[str, Any],
        *,
        spoken: bool,
        check: Callable[[SessionObject], None],
    ) -> SessionObject:
        """The session after `session.update`. Raises ClientError (also by `check`) and then nothing has changed."""
        own = self._merged(self._own, patch)
        direct = self._direct | set(_paths(patch))
        before = self._filled, self.preface
        try:
            if patch.get("prompt") is not None:
                self._look_up(own)
            elif own.prompt is None:
                self._filled, self.preface = None, ()
            session = self._effective(own, direct)
            if spoken and session.audio.output.voice != self.session.audio.output.voice:
                raise errors.cannot_update_voice()
            check(session)
        except errors.ClientError:
            self._filled, self.preface = before
            raise
        self._own, self._direct, self.session = own, direct, session
        return session

    def response(self, given: dict[str, Any] | None) -> ResponseConfig:
        """What one response goes by. Raises ClientError."""
        config = override_response(self.session, given)
        if given is None or given.get("prompt") is None or config.prompt is None:
            return config
        filled = fill(config.prompt, self._find, "response.prompt")
        fields = {key: filled.fields[key] for key in RESPONSE_FIELDS if key in filled.fields}
        own = {key: value for key, value in given.items() if value is not None}
        output = {**_output(filled.fields, ("voice", "format")), **_output(own, ("voice", "format"))}
        config = override_response(self.session, {**fields, **own, "audio": {"output": output}})
        return msgspec.structs.replace(config, preface=list(filled.preface))

    def _look_up(self, own: SessionObject) -> None:
        assert own.prompt is not None
        self._filled = fill(own.prompt, self._find, "session.prompt")
        self.preface = self._filled.preface

    def _effective(self, own: SessionObject, direct: set[str]) -> SessionObject:
        if self._filled is None:
            return own
        return self._merged(own, {**_without(self._filled.fields, direct), "type": "realtime"})

    def _merged(self, session: SessionObject, patch: dict[str, Any]) -> SessionObject:
        # Whether the voice may still change is judged by what comes out of both, in `update`.
        return merge_session(session, patch, silence_duration_ms=self._silence_duration_ms, spoken=False)


def _output(fields: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    audio = fields.get("audio")
    output = audio.get("output") if isinstance(audio, dict) else None
    return (
        {key: output[key] for key in keys if output.get(key) is not None} if isinstance(output, dict) else {}
    )


def _paths(patch: dict[str, Any]) -> Iterable[str]:
    """The fields a client has set itself, as far as they are merged one by one."""
    for key, value in patch.items():
        if key != "audio":
            yield key
            continue
        halves = value.items() if isinstance(value, dict) else ()
        for half, settings in halves:
            if isinstance(settings, dict):
                yield from (f"audio.{half}.{name}" for name in settings)


def _without(fields: dict[str, Any], direct: set[str]) -> dict[str, Any]:
    kept = {key: value for key, value in fields.items() if key not in direct and key != "audio"}
    audio = {
        half: {name: value for name, value in settings.items() if f"audio.{half}.{name}" not in direct}
        for half, settings in fields.get("audio", {}).items()
    }
    return {**kept, "audio": audio} if audio else kept
