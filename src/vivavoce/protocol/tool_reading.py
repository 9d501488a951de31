"""Tools as a client lists them in a session or a response (protocol reference 3.5)."""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from vivavoce.protocol import errors
from vivavoce.protocol.field_reading import expect_array, expect_object, read, without_nulls
from vivavoce.protocol.refusals import kind_of
from vivavoce.protocol.session_objects import McpTool, Tool


def read_tools(value: Any, path: str, known: Iterable[Tool]) -> list[Tool]:
    if value is None:
        return []
    labels = {tool.server_label: tool for tool in known if isinstance(tool, McpTool)}
    seen: set[str] = set()
    tools: list[Tool] = []
    for index, raw in enumerate(expect_array(value, path)):
        tool = _tool(raw, f"{path}[{index}]")
        if isinstance(tool, McpTool):
            if tool.server_label in seen:
                raise errors.invalid_because(
                    f"{path}[{index}].server_label", "another tool has the same label"
                )
            seen.add(tool.server_label)
            tool = _mcp_server(tool, labels.get(tool.server_label), f"{path}[{index}]")
        tools.append(tool)
    return tools


def _tool(raw: Any, path: str) -> Tool:
    leaf = without_nulls(expect_object(raw, path))
    leaf.setdefault("type", "function")
    if leaf["type"] == "function" and "name" not in leaf and isinstance(leaf.get("function"), dict):
        raise errors.missing_parameter(
            f"{path}.name",
            "Tools are flat in the Realtime API: put 'name', 'description' and 'parameters' beside 'type', "
            "not inside 'function'.",
        )
    if leaf["type"] == "mcp":
        _check_credentials(leaf, path)
    tool: Tool = read(leaf, Tool, path)
    return tool


def _mcp_server(tool: McpTool, known: McpTool | None, path: str) -> McpTool:
    # A label that was defined once may be used alone later (protocol reference 3.5).
    addresses = [one for one in (tool.server_url, tool.connector_id, tool.tunnel_id) if one is not UNSET]
    if not addresses and known is not None:
        return known
    if not addresses:
        raise errors.missing_parameter(f"{path}.server_url")
    if len(addresses) > 1:
        raise errors.invalid_because(
            path, "only one of 'server_url', 'connector_id' and 'tunnel_id' may be given"
        )
    headers = tool.headers.reveal() if tool.headers is not None else {}
    if tool.authorization is not None and any(name.lower() == "authorization" for name in headers):
        raise errors.invalid_because(f"{path}.authorization", "it is given as a header too")
    return tool


def _check_credentials(leaf: dict[str, Any], path: str) -> None:
    """A token is a string, headers an object of strings; whatever else stands there is refused without being repeated."""
    token, headers = leaf.get("authorization"), leaf.get("headers")
    if token is not None and not isinstance(token, str):
        raise errors.invalid_type(f"{path}.authorization", "a string", kind_of(token))
    if headers is None:
        return
    for name, value in expect_object(headers, f"{path}.headers").items():
        if not isinstance(value, str):
            raise errors.invalid_type(f"{path}.headers.{name[:64]}", "a string", kind_of(value))
