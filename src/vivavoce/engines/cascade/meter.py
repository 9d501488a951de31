"""How long a stage took for something, and what it used, told as one signal when it is through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from vivavoce.call.ports import ModelChunk, ModelText, ModelToolCall, ModelUsage, Prompt
from vivavoce.engines.cascade.second_choice import ANSWERED_BY
from vivavoce.session.signals import Signal, StageName, StageUsed
from vivavoce.session.usage import estimate_text_tokens


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Meter:
    """One piece of work of one stage. prompt: what a language model was asked."""

    prompt: Prompt | None = None
    began: float = field(default_factory=_now)
    first: float | None = None
    usage: ModelUsage | None = None
    written: list[str] = field(default_factory=list)
    """What a language model gave, for the time when nobody counts it."""
    sound_ms: int = 0
    characters: int = 0
    worked_ms: int = 0
    """How long the work took, where most of it was done before."""

    def gave(self) -> None:
        """Something came out; only the first time counts."""
        if self.first is None:
            self.first = _now()

    def took(self, chunk: ModelChunk) -> None:
        """A language model gave something."""
        self.gave()
        match chunk:
            case ModelUsage():
                self.usage = chunk
            case ModelText(text):
                self.written.append(text)
            case ModelToolCall(_, name, arguments):
                self.written.append(name + arguments)

    def estimate(self) -> ModelUsage | None:
        """The tokens of an answer that was cut off before its endpoint counted them, or whose endpoint never does; None where there was none."""
        if self.usage is not None or self.prompt is None or self.first is None:
            return None
        return ModelUsage(
            estimate_text_tokens(_asked(self.prompt)), estimate_text_tokens("".join(self.written))
        )


def _asked(prompt: Prompt) -> str:
    """All words of a prompt; images are counted too differently to be guessed at."""
    parts = [json.dumps(tool, ensure_ascii=False) for tool in prompt.tools]
    for message in prompt.messages:
        content = message.get("content")
        texts = content if isinstance(content, list) else [{"text": content}]
        parts += [str(text["text"]) for text in texts if isinstance(text, dict) and text.get("text")]
        parts += [json.dumps(call["function"], ensure_ascii=False) for call in message.get("tool_calls", ())]
    return "".join(parts)


@contextmanager
def metered(
    emit: Callable[[Signal], None], of: str, stage: StageName, name: str, prompt: Prompt | None = None
) -> Iterator[Meter]:
    """Measure what happens inside; it is told however that ends, before anything that is said behind it."""
    ANSWERED_BY.set("")
    meter = Meter(prompt)
    outcome: Literal["done", "cancelled", "failed"] = "failed"
    try:
        yield meter
        outcome = "done"
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        estimated = meter.estimate()
        usage = meter.usage or estimated or ModelUsage(0, 0)
        emit(
            StageUsed(
                of=of,
                stage=stage,
                name=ANSWERED_BY.get() or name,
                outcome=outcome,
                first_ms=None if meter.first is None else round((meter.first - meter.began) * 1000),
                took_ms=max(meter.worked_ms, round((_now() - meter.began) * 1000)),
                input_tokens=usage.input_tokens,
                cached_tokens=usage.cached_tokens,
                output_tokens=usage.output_tokens,
                estimated=estimated is not None,
                sound_ms=meter.sound_ms,
                characters=meter.characters,
            )
        )
