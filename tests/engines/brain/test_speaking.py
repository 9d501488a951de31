"""What tools answer, as speech. Made-up tools; the templates know none of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vivavoce.engines.cascade.brain.conversation import Call
from vivavoce.engines.cascade.brain.speaking import spoken, subject
from vivavoce.engines.cascade.brain.tools import Tool, toolbox

STRING = {"type": "string"}


def tool(name: str, description: str = "", **properties: Any) -> Tool:
    function = {
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": properties},
    }
    return toolbox(({"type": "function", "function": function},), "").tools[0]


CLAIM = tool("find_claim", "Finds a claim.", claim_id=STRING)
SKY = tool("read_sky", "Reads the sky.", city=STRING)
BOATS = tool("list_boats", "Lists boats.")
LEVEL = tool("get_level", "Water level.")
VALVE = tool("close_valve", "Closes a valve.", valve=STRING)

CASES: list[tuple[Tool, dict[str, Any], Any, str]] = [
    (CLAIM, {"claim_id": "C7"}, "shipped, arriving Monday", "Claim C7 has shipped, arriving Monday."),
    (CLAIM, {"claim_id": "C7"}, "waiting for a stamp", "Claim C7 is waiting for a stamp."),
    (CLAIM, {"claim_id": "C7"}, "delayed", "Claim C7 is delayed."),
    (CLAIM, {"claim_id": "C7"}, "on hold", "Claim C7 is on hold."),
    (CLAIM, {"claim_id": "C7"}, "no claim found with that ID", "Claim C7: I found no claim with that ID."),
    (CLAIM, {"claim_id": "C7"}, "not found", "Claim C7: I found nothing."),
    (CLAIM, {"claim_id": "C7"}, "Your claim was paid on Monday.", "Your claim was paid on Monday."),
    (CLAIM, {"claim_id": "C7"}, "Paid in May. Nothing is open. All is well.", "Paid in May. Nothing is open. All is well."),
    (CLAIM, {"claim_id": "C7"}, "", "I found nothing for claim C7."),
    (CLAIM, {"claim_id": "C7"}, "null", "I found nothing for claim C7."),
    (CLAIM, {"claim_id": "C7"}, {"found": False}, "I found nothing for claim C7."),
    (CLAIM, {"claim_id": "C7"}, {"claim": {"id": "C7", "status": "IN_REVIEW"}}, "Claim C7 is in review."),
    (CLAIM, {"claim_id": "C7"}, {"status": "paid", "paid_on": "2025-06-03"}, "Claim C7 is paid. Paid on Tuesday, June 3."),
    (CLAIM, {"claim_id": "C7"}, {"error": "claim is sealed"}, "I am sorry, that did not work: claim is sealed."),
    (CLAIM, {"claim_id": "C7"}, {"error": {"message": "Sealed."}}, "I am sorry, that did not work: Sealed."),
    (CLAIM, {"claim_id": "C7"}, "Error: timed out", "I am sorry, that did not work: timed out."),
    (SKY, {"city": "Turin"}, "sunny", "Turin: sunny."),
    (SKY, {"city": "Turin"}, {"temp_c": 21, "wind": "calm"}, "Turin: the temperature is 21 degrees Celsius and the wind is calm."),
    (SKY, {"city": "Turin"}, {"temperature": 70, "unit": "fahrenheit"}, "Turin: the temperature is 70 degrees Fahrenheit."),
    (SKY, {"city": "Turin"}, {"is_raining": False, "has_fog": True}, "Turin is not raining and it has fog."),
    (BOATS, {}, [], "I found nothing."),
    (BOATS, {}, {"boats": []}, "I found nothing."),
    (BOATS, {}, ["Ida", "Eel"], "Boats: Ida and Eel."),
    (BOATS, {}, [{"name": "Ida", "leaves_in_minutes": 5}], "Ida, leaves in 5 minutes."),
    (BOATS, {}, [{"name": "Ida", "departs": "2025-06-03T09:05:00"}, {"name": "Eel", "seats": 1}],
     "I found 2 boats. Ida, Tuesday, June 3 at 9:05 AM. Eel, 1 seat."),
    (BOATS, {}, [{"name": name} for name in "ABCDE"], "I found 5 boats. The first 3 are: A. B. C."),
    (BOATS, {}, {"title": "Ida", "in_minutes": 12}, "Ida in 12 minutes."),
    (LEVEL, {}, 3.5, "The level is 3.5."),
    (LEVEL, {}, {"level_percent": 40.0, "rising": True}, "The level is 40 percent and rising: yes."),
    (LEVEL, {}, {"balance": 12.5, "currency": "EUR"}, "The balance is 12.5 euros."),
    (VALVE, {"valve": "north"}, "ok", "Done."),
    (VALVE, {"valve": "north"}, True, "Done."),
    (VALVE, {"valve": "north"}, None, "Done."),
    (VALVE, {"valve": "north"}, False, "That did not work."),
    (VALVE, {"valve": "north"}, {"success": True}, "Done."),
    (VALVE, {"valve": "north"}, {"success": False, "reason": "it is stuck"}, "I am sorry, that did not work: it is stuck."),
    (VALVE, {"valve": "north"}, {"status": "success", "message": "Valve shut"}, "Valve shut."),
]  # fmt: skip


@pytest.mark.parametrize(("of", "arguments", "output", "wanted"), CASES)
def test_outputs_become_sentences(of: Tool, arguments: dict[str, Any], output: Any, wanted: str) -> None:
    text = output if isinstance(output, str) else msgspec.json.encode(output).decode()
    assert spoken(Call("c1", of.name, arguments, 0, text), of) == wanted


def test_an_introduction_is_left_out_where_the_text_names_its_subject() -> None:
    call = Call("c1", CLAIM.name, {"claim_id": "C7"}, 0, "paid")
    assert spoken(call, CLAIM, "first, claim C7") == "Claim C7 is paid."
    call.output = "It was paid on Monday."
    assert spoken(call, CLAIM, "first, claim C7") == "First, claim C7: It was paid on Monday."


def test_a_journey_has_no_single_subject() -> None:
    trip = tool("find_trip", "", origin=STRING, destination=STRING)
    assert subject(Call("c1", "find_trip", {"origin": "Rome", "destination": "Pisa"}, 0), trip) == ""
    assert subject(Call("c1", "find_trip", {"destination": "Pisa"}, 0), trip) == "Pisa"


def test_a_tool_that_is_gone_is_still_spoken_for() -> None:
    assert spoken(Call("c1", "gone", {"order_id": "7"}, 0, "shipped"), None) == "Order 7 has shipped."
