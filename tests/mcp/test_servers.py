"""From what a client says about a server to how it is reached."""

from __future__ import annotations

from typing import Any

import pytest

from vivavoce.call.mcp_settings import McpSettings
from vivavoce.call.settings import SettingsError, load_settings
from vivavoce.mcp.servers import Command, Unreachable, Url, reach
from vivavoce.protocol.session_objects import McpTool, Secret

SERVERS = {
    "office": {"command": "office", "args": ["stdio"], "env": {"TOKEN": "canary-env"}},
    "crm": {"url": "http://10.0.0.9/mcp", "headers": {"Authorization": "Bearer canary-own"}},
}


def settings_of(**fields: Any) -> McpSettings:
    return load_settings(
        {"mcp.servers": SERVERS, **{f"mcp.{k}": v for k, v in fields.items()}}, environ={}
    ).mcp


def server(**fields: Any) -> McpTool:
    return McpTool(server_label="s", **fields)


def test_the_operators_command_is_found_by_its_name_alone() -> None:
    for named in (server(connector_id="office"), server(server_url="vivavoce:office")):
        assert reach(named, settings_of()) == Command("office", ("stdio",), (("TOKEN", "canary-env"),), None)


def test_the_operators_headers_win_over_a_clients() -> None:
    way = reach(
        server(connector_id="crm", authorization=Secret("mine"), headers=Secret({"X-A": "b"})), settings_of()
    )
    assert way == Url(
        "http://10.0.0.9/mcp", (("X-A", "b"), ("Authorization", "Bearer canary-own")), trusted=True
    )


def test_a_clients_own_address_is_not_trusted() -> None:
    way = reach(
        server(server_url="https://a.example/mcp", authorization=Secret("Bearer token-1")), settings_of()
    )
    assert way == Url("https://a.example/mcp", (("Authorization", "Bearer token-1"),), trusted=False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"connector_id": "other"}, "'other'"),
        ({"server_url": "vivavoce:other"}, "'other'"),
        ({"tunnel_id": "t"}, "Tunnels"),
        ({"server_url": "file:///etc/passwd"}, "http or https"),
        ({"server_url": "ftp://a.example"}, "http or https"),
        ({"server_url": "https://"}, "http or https"),
        ({"server_url": "http://[::1"}, "http or https"),
        ({"server_url": "https://a.example", "headers": Secret({"Host": "b"})}, "'Host'"),
        ({"server_url": "https://a.example", "headers": Secret({"X": "a\r\nb"})}, "characters"),
        ({"server_url": "https://a.example", "authorization": Secret("a\r\nb")}, "characters"),
    ],
)
def test_what_cannot_be_reached_says_why(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(Unreachable, match=words):
        reach(server(**fields), settings_of())


def test_an_operator_may_keep_it_to_named_servers() -> None:
    with pytest.raises(Unreachable, match="set up here"):
        reach(server(server_url="https://a.example/mcp"), settings_of(client_urls=False))


def test_secrets_are_known_with_all_their_parts() -> None:
    way = Url("https://u:password-1@a.example/mcp?key=query-secret", (("A", "Bearer header-secret"),), False)
    assert {"password-1", "query-secret", "header-secret"} <= set(way.secrets)
    assert way.host == "a.example"


@pytest.mark.parametrize("given", [{}, {"command": "a", "url": "http://b"}])
def test_a_server_has_either_a_command_or_an_address(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"mcp\.servers"):
        load_settings({"mcp.servers": {"s": given}}, environ={})
