"""Worker processes: heavy models run in children, so that neither a crash nor the GIL can hurt a call.

On the server's side: `WorkerPool` and its `Job`. In the worker: a factory named "module:function"
that takes a `Worker` and returns a handler: a callable that takes one `WorkerJob` at a time.

See docs/adr/0011-workers.md.
"""

from vivavoce.engines.workers.inside import JobCancelled, JobFailed, Worker, WorkerJob
from vivavoce.engines.workers.job import Job
from vivavoce.engines.workers.pool import PoolSize, WorkerPool
from vivavoce.engines.workers.process import Blueprint

__all__ = ["Blueprint", "Job", "JobCancelled", "JobFailed", "PoolSize", "Worker", "WorkerJob", "WorkerPool"]
