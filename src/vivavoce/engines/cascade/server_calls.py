"""Calls of MCP tools as a language model is told of them: function calls like any other, with what became of them."""

from __future__ import annotations

from vivavoce.protocol.items import (
    FunctionCallItem,
    InputItem,
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    McpCallItem,
)

RUNNING = "(still running, no result yet)"
WAITING = "(not done: it waits for somebody's approval)"
DENIED = "(not done: it was not allowed)"
FAILED = "(failed)"


def told_call(item: InputItem, context: tuple[InputItem, ...]) -> tuple[FunctionCallItem, str] | None:
    """The call that an item stands for and its result in words, or None where another item tells of the same call."""
    if isinstance(item, McpCallItem):
        return _call(item), _became(item)
    if not isinstance(item, McpApprovalRequestItem):
        return None
    if any(isinstance(one, McpCallItem) and one.approval_request_id == item.id for one in context):
        return None
    for one in context:
        if isinstance(one, McpApprovalResponseItem) and one.approval_request_id == item.id:
            if one.approve:
                return _call(item), RUNNING
            return _call(item), f"{DENIED[:-1]}: {one.reason})" if one.reason else DENIED
    return _call(item), WAITING


def _call(item: McpCallItem | McpApprovalRequestItem) -> FunctionCallItem:
    return FunctionCallItem(id=item.id, call_id=item.id, name=item.name, arguments=item.arguments)


def _became(item: McpCallItem) -> str:
    if item.output is not None:
        return item.output
    return RUNNING if item.error is None else f"{FAILED[:-1]}: {item.error.message})"
