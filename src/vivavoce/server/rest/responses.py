"""`POST /v1/responses`, `GET` and `DELETE /v1/responses/{id}`, and the items that went in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vivavoce.server.rest.access import owner
from vivavoce.server.rest.documents import FAILURES, described, json_and_events
from vivavoce.server.rest.errors import unknown_response
from vivavoce.server.rest.kept import KeptResponse
from vivavoce.server.rest.office import Office
from vivavoce.server.rest.response_events import Answering
from vivavoce.server.rest.response_request import ResponseRequest, items_of, prompt_of, refuse_unserved
from vivavoce.server.rest.route import RestRoute
from vivavoce.server.rest.streaming import event, streamed_events, unless_gone

router = APIRouter(route_class=RestRoute, tags=["text"])


class ResponseObject(BaseModel):
    """A response: its output items, and how it ended."""

    id: str
    object: str
    created_at: int
    status: str
    model: str
    output: list[dict[str, Any]]
    usage: dict[str, Any] | None


class Deleted(BaseModel):
    """What is gone."""

    id: str
    object: str
    deleted: bool


class ItemList(BaseModel):
    """Items, newest first unless asked otherwise."""

    object: str
    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool


@router.post(
    "/v1/responses",
    response_class=JSONResponse,
    responses=json_and_events(ResponseObject, "The response.") | FAILURES,
)
async def create_response(body: ResponseRequest, request: Request) -> Response:
    """Answer a turn with the configured language model."""
    office: Office = request.app.state.office
    whose = owner(request)
    refuse_unserved(body)
    items = await items_of(office, body, whose)
    prompt = await unless_gone(request, prompt_of(office, body, items))
    prompt = await unless_gone(request, office.recordings.understood(whose, prompt, office.stages))

    async def keep(response: dict[str, Any]) -> None:
        if body.store is not False:
            await office.kept.keep_response(whose, KeptResponse(response, (*items, *response["output"])))

    answering = Answering(office.stages.llm, body, prompt, keep)
    if body.stream:
        return await streamed_events(request, _encoded(answering))
    return JSONResponse(await unless_gone(request, answering.whole()))


async def _encoded(answering: Answering) -> Any:
    async for one in answering.events():
        yield event(one, named=True)


@router.get("/v1/responses/{response_id}", responses=described(ResponseObject))
async def get_response(response_id: str, request: Request) -> Response:
    """A kept response."""
    return JSONResponse((await _kept(request, response_id)).response)


@router.delete("/v1/responses/{response_id}", responses=described(Deleted))
async def delete_response(response_id: str, request: Request) -> Response:
    """Forget a kept response."""
    await _kept(request, response_id)
    office: Office = request.app.state.office
    await office.kept.forget_response(owner(request), response_id)
    return JSONResponse({"id": response_id, "object": "response", "deleted": True})


@router.get("/v1/responses/{response_id}/input_items", responses=described(ItemList))
async def list_input_items(response_id: str, request: Request) -> Response:
    """What led to a kept response, newest first (`order=asc`: oldest first)."""
    kept = await _kept(request, response_id)
    items = list(kept.items[: len(kept.items) - len(kept.response["output"])])
    if request.query_params.get("order") != "asc":
        items.reverse()
    ends = (
        {"first_id": items[0]["id"], "last_id": items[-1]["id"]}
        if items
        else {"first_id": None, "last_id": None}
    )
    return JSONResponse({"object": "list", "data": items, "has_more": False} | ends)


async def _kept(request: Request, response_id: str) -> KeptResponse:
    office: Office = request.app.state.office
    kept = await office.kept.response(owner(request), response_id)
    if kept is None:
        raise unknown_response(response_id)
    return kept
