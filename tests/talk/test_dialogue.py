"""The client's half of a call, event by event."""

from __future__ import annotations

from typing import Any

from tests.talk.rig import Remembered
from vivavoce.talk.dialogue import TOOL_ROUNDS, Dialogue

DICE = {"type": "function_call", "id": "item_1", "call_id": "call_1", "name": "roll_dice", "arguments": "{}"}


def done(*output: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "response.done",
        "response": {"id": "resp_1", "status": "completed", "output": list(output)},
    }


async def test_a_model_that_goes_on_calling_tools_is_left_alone_at_last() -> None:
    """What it says in between, unasked, such as whether the caller is still there, is none of those rounds."""
    sent: list[str] = []

    async def send(event: dict[str, Any]) -> str:
        sent.append(event["type"])
        return f"talk_{len(sent)}"

    captions = Remembered()
    dialogue = Dialogue(send, captions, None, None)
    for _ in range(TOOL_ROUNDS + 1):
        await dialogue.take(done())
    for _ in range(TOOL_ROUNDS):
        await dialogue.take(done(DICE))
    assert sent.count("response.create") == TOOL_ROUNDS
    assert dialogue.tally.failed == 0
    await dialogue.take(done(DICE))
    assert sent.count("response.create") == TOOL_ROUNDS
    assert dialogue.tally.failed == 1
