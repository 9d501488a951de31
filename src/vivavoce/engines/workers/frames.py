"""The words between the server and a worker: msgpack behind a four-byte little-endian length.

A job's life on the wire: `Open`, any number of `Message` both ways, and exactly one `Done` from the worker.
`Cancel` asks for
that `Done` early. The server may open the next job only after the `Done` of the one before.
"""

from __future__ import annotations

import struct
from typing import Any, Generic, TypeVar

import msgspec

MAX_FRAME_BYTES = 32 * 1024 * 1024
"""A longer frame is nonsense: whoever sent it is not speaking this language."""

Frame = TypeVar("Frame")
_LENGTH = struct.Struct("<I")


class Setup(msgspec.Struct, tag="setup", array_like=True, frozen=True):
    """Server to worker, first: which handler to build ("module:function"), with which options."""

    target: str
    options: dict[str, Any]


class Open(msgspec.Struct, tag="open", array_like=True, frozen=True):
    """Server to worker: a job begins."""

    job: int
    body: Any


class Cancel(msgspec.Struct, tag="cancel", array_like=True, frozen=True):
    """Server to worker: nobody waits for this job any more."""

    job: int


class Message(msgspec.Struct, tag="message", array_like=True, frozen=True):
    """Either way: one piece of a job."""

    job: int
    body: Any


class Ready(msgspec.Struct, tag="ready", array_like=True, frozen=True):
    """Worker to server:

    the handler stands; `error` says in one line why it does not (the worker then ends).
    """

    labels: list[str]
    error: str | None = None


class Done(msgspec.Struct, tag="done", array_like=True, frozen=True):
    """Worker to server: the job is over and the worker free. `labels` is what it holds now."""

    job: int
    labels: list[str]
    error: str | None = None
    retryable: bool = False


ToWorker = Setup | Open | Message | Cancel
FromWorker = Ready | Message | Done
WorkerFrame = Setup | Open | Message | Cancel | Ready | Done

_encoder = msgspec.msgpack.Encoder()
to_worker_decoder: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
from_worker_decoder: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


class BadFrame(Exception):
    """What arrived is not a frame. The connection cannot be trusted any further."""


def encode(frame: WorkerFrame) -> bytes:
    """One frame with its length in front. Raises ValueError when the body is longer than a frame may be."""
    body = _encoder.encode(frame)
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(body)} bytes is longer than {MAX_FRAME_BYTES}")
    return _LENGTH.pack(len(body)) + body


class FrameReader(Generic[Frame]):
    """Cuts a stream of bytes into frames."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[Frame]) -> None:
        self._decoder = decoder
        self._rest = bytearray()

    def feed(self, received: bytes) -> list[Frame]:
        """The frames completed by `received`, in order. Raises BadFrame."""
        self._rest += received
        frames: list[Frame] = []
        start = 0
        while len(self._rest) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest, start)
            if length > MAX_FRAME_BYTES:
                raise BadFrame(f"a frame of {length} bytes was announced")
            end = start + _LENGTH.size + length
            if len(self._rest) < end:
                break
            frames.append(self._decode(bytes(self._rest[start + _LENGTH.size : end])))
            start = end
        del self._rest[:start]
        return frames

    def _decode(self, body: bytes) -> Frame:
        try:
            return self._decoder.decode(body)
        except msgspec.MsgspecError as wrong:
            raise BadFrame(str(wrong)) from wrong
