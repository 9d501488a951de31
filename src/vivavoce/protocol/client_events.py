"""The 11 events a client may send, GA dialect (protocol reference 2.1).

One frozen struct per event, named after its type. `SessionUpdate.session` and `ResponseCreate.response` stay
raw: merging needs to know which keys are present (`sessions.merge_session` and `sessions.override_response`
give them a meaning).
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from vivavoce.protocol.items import Item, ItemId

EventId = Annotated[str, Meta(max_length=512)]
Milliseconds = Annotated[int, Meta(ge=0, le=2**53)]
Index = Annotated[int, Meta(ge=0, le=2**31)]


class SessionUpdate(Struct, tag_field="type", tag="session.update", frozen=True, kw_only=True):
    event_id: EventId | None = None
    session: dict[str, Any]


class InputAudioBufferAppend(
    Struct, tag_field="type", tag="input_audio_buffer.append", frozen=True, kw_only=True, gc=False
):
    """`audio` is base64 in the session's input format, still encoded."""

    event_id: EventId | None = None
    audio: str


class InputAudioBufferCommit(
    Struct, tag_field="type", tag="input_audio_buffer.commit", frozen=True, kw_only=True
):
    event_id: EventId | None = None


class InputAudioBufferClear(
    Struct, tag_field="type", tag="input_audio_buffer.clear", frozen=True, kw_only=True
):
    event_id: EventId | None = None


class OutputAudioBufferClear(
    Struct, tag_field="type", tag="output_audio_buffer.clear", frozen=True, kw_only=True
):
    event_id: EventId | None = None


class ConversationItemCreate(
    Struct, tag_field="type", tag="conversation.item.create", frozen=True, kw_only=True
):
    """`previous_item_id`: absent appends, `root` puts first, an id puts after it."""

    event_id: EventId | None = None
    previous_item_id: ItemId | None = None
    item: Item


class ConversationItemRetrieve(
    Struct, tag_field="type", tag="conversation.item.retrieve", frozen=True, kw_only=True
):
    event_id: EventId | None = None
    item_id: ItemId


class ConversationItemTruncate(
    Struct, tag_field="type", tag="conversation.item.truncate", frozen=True, kw_only=True
):
    """`audio_end_ms`: what the caller heard of the item, from its start; may lie beyond what was sent."""

    event_id: EventId | None = None
    item_id: ItemId
    content_index: Index
    audio_end_ms: Milliseconds


class ConversationItemDelete(
    Struct, tag_field="type", tag="conversation.item.delete", frozen=True, kw_only=True
):
    event_id: EventId | None = None
    item_id: ItemId


class ResponseCreate(Struct, tag_field="type", tag="response.create", frozen=True, kw_only=True):
    event_id: EventId | None = None
    response: dict[str, Any] | None = None


class ResponseCancel(Struct, tag_field="type", tag="response.cancel", frozen=True, kw_only=True):
    event_id: EventId | None = None
    response_id: ItemId | None = None


ClientEvent = (
    SessionUpdate
    | InputAudioBufferAppend
    | InputAudioBufferCommit
    | InputAudioBufferClear
    | OutputAudioBufferClear
    | ConversationItemCreate
    | ConversationItemRetrieve
    | ConversationItemTruncate
    | ConversationItemDelete
    | ResponseCreate
    | ResponseCancel
)

CLIENT_EVENT_TYPES: dict[str, type[ClientEvent]] = {
    str(cls.__struct_config__.tag): cls
    for cls in (
        SessionUpdate,
        InputAudioBufferAppend,
        InputAudioBufferCommit,
        InputAudioBufferClear,
        OutputAudioBufferClear,
        ConversationItemCreate,
        ConversationItemRetrieve,
        ConversationItemTruncate,
        ConversationItemDelete,
        ResponseCreate,
        ResponseCancel,
    )
}
"""Type on the wire -> struct."""
