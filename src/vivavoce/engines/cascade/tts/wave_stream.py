"""Sound as endpoints stream it: raw PCM16, or WAV files whose length nobody knows yet. Anything else is named."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_HEADER_BYTES = 4096
_PACKED = re.compile(r"audio/(?:\w+-)?(mpeg|mp3|ogg|opus|flac|aac|mp4|webm)")
_SIGNS = {b"ID3": "mp3", b"fLaC": "flac", b"OggS": "ogg"}
_RAW = re.compile(r"audio/(?:pcm|l16|x-raw|basic|wav)", re.IGNORECASE)
_BEHIND = (b"LIST", b"id3 ", b"ID3 ", b"fact", b"cue ", b"smpl", b"bext", b"iXML", b"JUNK", b"PAD ")
"""What may stand in a file behind its sound."""
_RATES_HZ = range(4_000, 192_001)
_INTEGER, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE

Samples = NDArray[np.float32]


class NotSound(Exception):
    """What came is no PCM. `body`: its beginning."""

    def __init__(self, message: str, body: bytes = b"") -> None:
        super().__init__(message)
        self.body = body


class Packed(NotSound):
    """What came is sound in a format that is not read here."""


class SoundReader:
    """Feed it the body of an answer; it returns PCM16 mono, whole samples."""

    def __init__(self, content_type: str, rate_hz: int) -> None:
        """content_type: of the answer; a rate in it counts. rate_hz: where nobody says."""
        named = re.search(r"(?:rate|samplerate)\s*=\s*(\d{4,6})", content_type)
        self.rate_hz = int(named[1]) if named else rate_hz
        packed = _PACKED.match(content_type)
        self._labelled = packed[1] if packed else ""
        """What the content type says that it is: "text", "raw", a format, or nothing that helps."""
        if content_type.startswith(("application/json", "text/")):
            self._labelled = "text"
        elif _RAW.match(content_type):
            self._labelled = "raw"
        self._channels = 1
        self._sample_bytes = 2
        self._decode: Callable[[bytes], bytes | Samples] | None = None
        """For samples that are not of 16 bits."""
        self._left: int | None = None
        """Bytes of sound still to come, where a header says so."""
        self._held = b""
        self._begun = False
        self._over = False

    def feed(self, block: bytes) -> bytes:
        """What is ready. Raises NotSound."""
        if self._over:
            return b""
        self._held += block
        ready = b""
        while self._begun or self._begin():
            size = self._channels * self._sample_bytes
            most = len(self._held) if self._left is None else min(self._left, len(self._held))
            whole = most // size * size
            ready += self._mono(self._held[:whole])
            self._held = self._held[whole:]
            if self._left is None:
                break
            self._left -= whole
            if self._left >= size or not self._behind():
                break
        return ready

    def nothing(self) -> NotSound:
        """The body is over and there was no sound in it."""
        return NotSound("an empty answer" if not self._held else "an answer that is no sound", self._held)

    def _mono(self, sound: bytes) -> bytes:
        if self._decode is None and self._channels == 1:
            return sound
        samples = np.frombuffer(sound, "<i2") if self._decode is None else self._decode(sound)
        sides = np.asarray(samples).reshape(-1, self._channels)
        return bytes(sides.mean(axis=1).astype("<i2").tobytes())

    def _behind(self) -> bool:
        """What follows the sound that a header promised: another file, something to leave out, or sound after all. Whether to go on."""
        if len(self._held) < 4:
            return False
        if self._held.startswith(b"RIFF"):  # each piece is a file of its own
            self._begun = False
            return True
        if self._held.startswith(_BEHIND):
            self._over = True
            return False
        self._left = None  # the header knew no better
        return True

    def _begin(self) -> bool:
        """Whether it is known what this is; the header is behind us then."""
        if self._labelled == "text":
            if len(self._held) > _HEADER_BYTES:
                raise NotSound("text instead of sound", self._held)
            return False
        if len(self._held) < 4:
            return False
        if self._held.startswith(b"RIFF"):  # whatever the content type says
            self._begun = self._header()
            return self._begun
        signed = next((name for sign, name in _SIGNS.items() if self._held.startswith(sign)), "")
        if self._labelled in ("", "raw"):
            packed = signed or ("" if self._labelled or not _is_mp3(self._held) else "mp3")
        else:
            packed = signed or self._labelled
        if packed:
            raise Packed(packed)
        self._begun = True
        return self._begun

    def _header(self) -> bool:
        """Step over the header of a WAV file, when all of it is there."""
        held, at = self._held, 12
        while at + 8 <= len(held):
            name, size = held[at : at + 4], struct.unpack_from("<I", held, at + 4)[0]
            if name == b"data":
                # In a file that is sent while it is made this is nothing, or more than ever comes.
                self._held, self._left = held[at + 8 :], size
                return True
            if name == b"fmt " and at + 8 + size <= len(held):
                self._format(held[at + 8 : at + 8 + size])
            at += 8 + size + size % 2
        if len(held) > _HEADER_BYTES:
            raise NotSound("a WAV file without sound")
        return False

    def _format(self, chunk: bytes) -> None:
        if len(chunk) < 16:
            raise NotSound("a WAV file without a format")
        kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
        if kind == _EXTENSIBLE and len(chunk) >= 26:
            kind = struct.unpack_from("<H", chunk, 24)[0]
        if (kind, bits) not in _DECODERS or not channels:
            raise NotSound(f"a WAV of kind {kind} and {bits} bits, not of 16")
        if rate_hz not in _RATES_HZ:
            raise NotSound(f"a WAV of {rate_hz} samples per second")
        if self._left is not None and rate_hz != self.rate_hz:
            raise NotSound("files of different rates")
        self._channels, self.rate_hz = channels, rate_hz
        self._sample_bytes, self._decode = bits // 8, _DECODERS[kind, bits]


def _is_mp3(held: bytes) -> bool:
    """Whether a body whose content type says nothing begins with the header of an MPEG frame, layer III."""
    first, second, third = held[:3]
    return (
        first == 0xFF
        and second & 0xE6 == 0xE2
        and second & 0x18 != 0x08
        and 0 < third >> 4 < 15
        and (third >> 2) & 3 != 3
    )


def _of_24_bits(sound: bytes) -> Samples:
    octets = np.frombuffer(sound, np.uint8).reshape(-1, 3)
    return np.ascontiguousarray(octets[:, 1:]).view("<i2").ravel().astype(np.float32)


def _of_32_bits(sound: bytes) -> Samples:
    return (np.frombuffer(sound, "<i4") >> 16).astype(np.float32)


def _of_floats(sound: bytes) -> Samples:
    return np.clip(np.frombuffer(sound, "<f4") * np.float32(32767), -32768, 32767).astype(np.float32)


_DECODERS: dict[tuple[int, int], Callable[[bytes], bytes | Samples] | None] = {
    (_INTEGER, 16): None,
    (_INTEGER, 24): _of_24_bits,
    (_INTEGER, 32): _of_32_bits,
    (_FLOAT, 32): _of_floats,
}
"""Kinds of samples that are understood, by a file's format code and bits; those of 16 bits are taken as they are."""
