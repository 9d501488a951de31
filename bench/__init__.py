"""Measuring: a load client for any Realtime server, and the runs behind bench/RESULTS.md (docs/adr/0015-measuring.md)."""
