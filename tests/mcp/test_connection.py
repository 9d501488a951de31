"""Connections to real servers: a process of the operator's, streamable HTTP, SSE."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.mcp.conftest import OFFICE, office
from vivavoce.mcp.addresses import AddressPolicy
from vivavoce.mcp.connection import Connection
from vivavoce.mcp.results import Failed
from vivavoce.mcp.servers import Command, Reach, Url
from vivavoce.protocol.items import McpHttpError, McpProtocolError, McpToolExecutionError

LOOPBACK = AddressPolicy(["127.0.0.1"])
SLOW_MS = 60_000
HOURS = '{"day": "Monday"}'
OPEN = "On Monday we are open from nine to five."


@contextlib.asynccontextmanager
async def connection(
    way: Reach, policy: AddressPolicy = LOOPBACK, **limits: int
) -> AsyncIterator[Connection]:
    made = Connection(way, policy, **({"timeout_ms": SLOW_MS, "result_chars": 1000} | limits))
    try:
        yield made
    finally:
        await made.close()


def at(port: int, path: str = "/mcp", headers: tuple[tuple[str, str], ...] = ()) -> Url:
    return Url(f"http://127.0.0.1:{port}{path}", headers, trusted=False)


async def failure(made: Connection, name: str = "", arguments: str = "{}", timeout_ms: int = SLOW_MS) -> Any:
    """How listing, or a call, fails."""
    with pytest.raises(Failed) as failed:
        await (made.call(name, arguments) if name else made.tools(timeout_ms))
    return failed.value.error


async def test_a_process_is_listed_called_lost_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVAVOCE_LLM__KEY", "canary-of-the-server")
    way = Command(sys.executable, (str(OFFICE), "stdio"), (("OFFICE_TOKEN", "canary-env"),), None)
    async with connection(way) as made:
        tools = {tool.name: tool for tool in await made.tools(SLOW_MS)}
        assert tools["opening_hours"].annotations == {"readOnlyHint": True}
        assert tools["opening_hours"].description == "When the office is open on a day of the week."
        assert tools["opening_hours"].input_schema["required"] == ["day"]
        assert await made.call("opening_hours", HOURS) == OPEN
        # It has the variables it was given and few others, and none of them comes out.
        environment = await made.call("environment", "{}")
        assert "OFFICE_TOKEN=***" in environment
        assert "canary" not in environment
        assert [await made.call("count", ""), await made.call("count", "{}")] == ["1", "2"]
        died = await failure(made, "die")
        assert isinstance(died, McpProtocolError)
        assert await made.call("count", "{}") == "1"  # A new process.


async def test_a_command_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    async with connection(Command("/no/such/command", (), (), None)) as made:
        error = await failure(made)
        assert error == McpProtocolError(code=-32000, message="the server's command could not be started")
        # Which one it is stands in the operator's log alone.
        assert "/no/such/command" in caplog.text


async def test_a_server_over_http(http_port: int) -> None:
    async with connection(at(http_port)) as made:
        assert "book_room" in [tool.name for tool in await made.tools(SLOW_MS)]
        assert await made.call("opening_hours", HOURS) == OPEN
        refused = await failure(made, "book_room", '{"room": "blue", "people": 30}')
        assert isinstance(refused, McpToolExecutionError)
        assert "No room holds 30 people" in refused.message
        assert isinstance(await failure(made, "no_such_tool"), McpToolExecutionError | McpProtocolError)
        for arguments in ("[]", "{", '"x"'):
            assert await failure(made, "count", arguments) == McpProtocolError(
                code=-32602, message="the arguments are not a JSON object"
            )
        assert await made.call("picture", "{}") == "[image: image/png, 300 bytes]"


async def test_calls_run_beside_each_other(http_port: int) -> None:
    async with connection(at(http_port)) as made:
        await made.tools(SLOW_MS)
        slow = asyncio.create_task(made.call("wait", '{"seconds": 30}'))
        assert await made.call("opening_hours", HOURS) == OPEN
        assert not slow.done()
        slow.cancel()


async def test_large_results_are_cut(http_port: int) -> None:
    async with connection(at(http_port), result_chars=100) as made:
        assert await made.call("recite", '{"length": 300}') == "la" * 50 + "\n[cut: 200 more characters]"
        too_large = await failure(made, "recite", '{"length": 9000000}')
        assert isinstance(too_large, McpProtocolError)
        assert await made.call("opening_hours", HOURS) == OPEN


async def test_a_tool_that_takes_too_long_does_not_take_the_others_along(http_port: int) -> None:
    async with connection(at(http_port), timeout_ms=SLOW_MS) as made:
        await made.tools(SLOW_MS)
        made._timeout_s = 0.3
        error = await failure(made, "wait", '{"seconds": 30}')
        assert error == McpProtocolError(code=-32001, message="127.0.0.1 did not answer within 300 ms")
        made._timeout_s = SLOW_MS / 1000
        assert await made.call("opening_hours", HOURS) == OPEN


async def test_a_server_of_the_older_transport_that_dies_in_the_middle_of_a_call() -> None:
    with office("sse") as port:
        async with connection(at(port, "/events")) as made:
            assert await made.call("opening_hours", HOURS) == OPEN
            assert isinstance(await failure(made, "die"), McpProtocolError)
            gone = await failure(made, "opening_hours", HOURS)
            assert gone.message == "127.0.0.1 could not be reached"
            with office("sse", port):
                assert await made.call("opening_hours", HOURS) == OPEN


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_http_errors_are_told_with_their_status(http_port: int, status: int) -> None:
    async with connection(at(http_port, f"/closed/{status}")) as made:
        error = await failure(made)
        assert error == McpHttpError(code=status, message=f"127.0.0.1 answered with HTTP status {status}")


async def test_addresses_inside_are_refused_unless_they_are_allowed(http_port: int) -> None:
    for host in ("127.0.0.1", "localhost", "2130706433"):
        async with connection(Url(f"http://{host}:{http_port}/mcp", (), False), AddressPolicy()) as made:
            error = await failure(made)
            assert "only the operator can allow" in error.message
    async with connection(
        Url(f"http://127.0.0.1:{http_port}/mcp", (), trusted=True), AddressPolicy()
    ) as made:
        assert await made.tools(SLOW_MS)


async def test_redirects_lead_nowhere_else(http_port: int) -> None:
    async with connection(at(http_port, "/moved?to=/mcp")) as made:
        assert await made.tools(SLOW_MS)
    for target in (
        f"http://localhost:{http_port}/mcp",
        f"http://[::1]:{http_port}/mcp",
        "http://169.254.169.254/",
    ):
        async with connection(at(http_port, f"/moved?to={target}")) as made:
            assert isinstance(await failure(made), McpProtocolError | McpHttpError)


async def test_a_name_is_resolved_and_judged_again_for_every_connection(
    http_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer may be connected to, the second may not: the server that was reached first does not vouch for the name."""
    asked: list[str] = []
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def rebound(host: Any, port: Any, **kwargs: Any) -> Any:
        if host != "rebound.example":
            return await real(host, port, **kwargs)
        asked.append(host)
        return await real("127.0.0.1" if len(asked) == 1 else "10.0.0.1", port, **kwargs)

    monkeypatch.setattr(loop, "getaddrinfo", rebound)
    policy = AddressPolicy(["127.0.0.1"])
    async with connection(Url(f"http://rebound.example:{http_port}/closed/500", (), False), policy) as made:
        error = await failure(made)
    assert len(asked) == 2
    assert "rebound.example is at an address inside" in error.message


async def test_credentials_come_out_nowhere(http_port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = (("Authorization", "Bearer canary-token"), ("X-Key", "canary-header"))
    async with connection(at(http_port, "/mcp?key=canary-query", headers)) as made:
        await made.tools(SLOW_MS)
        seen = await made.call("headers", "{}")
        assert "authorization: ***" in seen
        assert "x-key: ***" in seen
    async with connection(at(http_port, "/closed/401?key=canary-query", headers)) as made:
        told = str(await failure(made))
    async with connection(at(1, "/mcp?key=canary-query", headers)) as made:
        told += str(await failure(made))
    assert "canary" not in seen + told + caplog.text
