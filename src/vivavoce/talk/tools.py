"""Two small tools, so that a first conversation can see a tool at work."""

from __future__ import annotations

import json
import random
from datetime import datetime
from typing import Any

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "name": "get_time",
        "description": "Tell the time and date.",
        "parameters": {"type": "object", "properties": {}, "required": []},
    },
    {
        "type": "function",
        "name": "roll_dice",
        "description": "Roll dice.",
        "parameters": {
            "type": "object",
            "properties": {
                "count": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 20,
                    "description": "How many dice; 1 if not said.",
                },
            },
            "required": [],
        },
    },
]


def run_tool(name: str, arguments: str) -> str:
    """Run a tool; the answer is JSON for the model to read. What is wrong with a call is an answer, too."""
    try:
        given = json.loads(arguments or "{}")
        if not isinstance(given, dict):
            raise ValueError("arguments must be an object")
        return json.dumps(_run(name, given))
    except (ValueError, TypeError) as error:
        return json.dumps({"error": str(error)})


def _run(name: str, given: dict[str, Any]) -> dict[str, Any]:
    match name:
        case "get_time":
            now = datetime.now().astimezone()
            return {"time": now.strftime("%H:%M"), "date": now.strftime("%A, %d %B %Y")}
        case "roll_dice":
            count = max(1, min(20, int(given.get("count") or 1)))
            rolled = [random.randint(1, 6) for _ in range(count)]
            return {"rolled": rolled, "total": sum(rolled)}
    raise ValueError(f"there is no tool named {name!r}")
