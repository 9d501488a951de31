"""The agent as its owner would define it: instructions and tools, sent in `session.update` like any program does."""

from __future__ import annotations

from typing import Any

from vivavoce.demo.story import Cast

INSTRUCTIONS = """\
You are a friendly phone support agent for an online store.
Keep replies short and conversational, one or two sentences. Ask for an order number before looking anything up, then call \
get_order_status and read the result back plainly.
When you are about to call a tool, always speak a brief acknowledgment first. Keep acknowledgments to one sentence. \
Don't speculate about what the tool will return. When tool results arrive, read the relevant parts back naturally rather than \
reciting raw data.
If the user asks you to stay quiet or listen silently (for example "stay quiet until I say back to demo"), do so without speaking until they explicitly invite you back into the \
conversation.
If the caller asks you to explain the return policy, read out the whole policy.

Under our return policy, every item can be returned within thirty days of delivery. Items have to be unused and in their original box. \
The return label is printed on our website, or we send one by mail. Return shipping is free for faulty items and costs four \
dollars otherwise. The parcel is inspected within two days once it reaches our warehouse. After that we send a confirmation.

A refund takes five business days and goes back to the original payment method.
"""


def session_of(cast: Cast) -> dict[str, Any]:
    """The body of `session.update`."""
    pcm = {"type": "audio/pcm", "rate": 24_000}
    return {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": INSTRUCTIONS,
        "audio": {
            "input": {
                "format": pcm,
                "transcription": {"model": "gpt-4o-mini-transcribe", "language": "en"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": pcm, "voice": cast.agent_voice},
        },
        "tools": tools_of(cast),
        "tool_choice": "auto",
        # Ours: an acknowledgement where the model says none by itself. Other servers skip the field.
        "vivavoce": {"preambles": "auto"},
    }


def tools_of(cast: Cast) -> list[dict[str, Any]]:
    """Three function tools; the client runs them (see office.py)."""
    accounts = sorted((cast.account, *cast.other_accounts))
    return [
        _tool(
            "get_order_status",
            "Look up the status of an order by its ID.",
            order_id={
                "type": "string",
                "description": "The order number, a letter and four digits.",
                "pattern": r"^[A-Z]\d{4}$",
            },
        ),
        _tool("check_calendar", "Check the calendar for the next meeting."),
        _tool(
            "get_crm_account",
            "Look up an account in the CRM.",
            account={"type": "string", "description": "Name of the account.", "enum": accounts},
        ),
    ]


def _tool(name: str, description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "function", "name": name, "description": description, "parameters": parameters}
