"""The client side of MCP: servers reached for the tools of a session, whatever engine answers the call.

`tools.py` is the way in. Whatever loads the `mcp` library stands in `connection.py` and `wire.py`, which are imported when the first
session names a server: the library takes its time to load.
"""
