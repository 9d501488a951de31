"""Handlers that the tests run in real worker processes."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from vivavoce.engines.workers import JobFailed, Worker, WorkerJob
from vivavoce.engines.workers.inside import Handler


def echo(worker: Worker) -> Handler:
    """Does what its request says: see the branches."""

    def handle(job: WorkerJob) -> None:
        match job.request:
            case ["echo", count]:
                for _ in range(count):
                    job.send(job.receive())
            case ["pour", count, size]:
                for number in range(count):
                    job.send([number, bytes(size)])
            case ["label", name]:
                worker.labels = [name]
            case ["pid"]:
                job.send(os.getpid())
            case ["niceness"]:
                job.send(os.nice(0))
            case ["option", name]:
                job.send(worker.options[name])
            case ["compute"]:
                _compute(job)
            case ["deaf"]:
                job.send("deaf")
                time.sleep(60)
            case ["spin"]:
                job.send("spinning")
                while True:
                    pass
            case ["raise"]:
                raise LookupError("nothing there")
            case ["fail"]:
                raise JobFailed("try again", retryable=True)
            case ["die"]:
                job.send("dying")
                os.kill(os.getpid(), signal.SIGKILL)
            case ["print"]:
                print("plain words", flush=True)
                print("a complaint", file=sys.stderr, flush=True)
            case ["garbage", content]:
                # The job's own channel is what a broken model library would scribble over.
                connection: socket.socket = job._channel._socket
                connection.sendall(content)
                job.receive()

    return handle


def _compute(job: WorkerJob) -> None:
    """Work in pieces of a few milliseconds, as a decoder does, until cancelled."""
    job.send("computing")
    while True:
        until = time.perf_counter() + 0.005
        while time.perf_counter() < until:
            pass
        job.check()


def broken(worker: Worker) -> Handler:
    """A factory that cannot do its work."""
    raise FileNotFoundError("the model is not here")


def slow(worker: Worker) -> Handler:
    """Takes its time to start, by the clock."""
    time.sleep(worker.options["seconds"])
    return echo(worker)


def stubborn(worker: Worker) -> Handler:
    """Fails to start until a file exists."""
    if not os.path.exists(worker.options["file"]):
        raise FileNotFoundError("not yet")
    return echo(worker)
