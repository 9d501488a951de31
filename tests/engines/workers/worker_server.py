"""A server with workers, to be killed by a test:

`python -m ... SIZE`, prints its workers' pids, then waits for ever.
"""

from __future__ import annotations

import asyncio
import sys

from vivavoce.engines.workers import Blueprint, PoolSize, WorkerPool


async def main(target: str) -> None:
    pool = WorkerPool(Blueprint(target, "test"), PoolSize(2, 2))
    await pool.start()
    busy = await pool.acquire(["deaf"])
    async for _ in busy:
        break
    print(*pool.pids, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
