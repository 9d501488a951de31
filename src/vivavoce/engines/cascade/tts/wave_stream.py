"""Sound as endpoints stream it: raw PCM16, or a WAV file whose length nobody knows yet. Anything else is named."""

from __future__ import annotations

import re
import struct

import numpy as np

_HEADER_BYTES = 4096
_PACKED = re.compile(r"audio/(?:\w+-)?(mpeg|mp3|ogg|opus|flac|aac|mp4|webm)")
_SIGNS = {b"ID3": "mp3", b"fLaC": "flac", b"OggS": "ogg"}


class NotSound(Exception):
    """What came is no PCM. `body`: its beginning."""

    def __init__(self, message: str, body: bytes = b"") -> None:
        super().__init__(message)
        self.body = body


class SoundReader:
    """Feed it the body of an answer; it returns PCM16 mono, whole samples."""

    def __init__(self, content_type: str, rate_hz: int) -> None:
        """content_type: of the answer; a rate in it counts. rate_hz: where nobody says."""
        named = re.search(r"(?:rate|samplerate)\s*=\s*(\d{4,6})", content_type)
        self.rate_hz = int(named[1]) if named else rate_hz
        self._text = content_type.startswith(("application/json", "text/"))
        packed = _PACKED.match(content_type)
        self._packed = packed[1] if packed else ""
        self._channels = 1
        self._held = b""
        self._begun = False

    def feed(self, block: bytes) -> bytes:
        """What is ready. Raises NotSound."""
        self._held += block
        if not self._begun and not self._begin():
            return b""
        whole = len(self._held) // (2 * self._channels) * 2 * self._channels
        pcm, self._held = self._held[:whole], self._held[whole:]
        if self._channels == 1:
            return pcm
        sides = np.frombuffer(pcm, "<i2").reshape(-1, self._channels)
        return bytes(sides.mean(axis=1).astype("<i2").tobytes())

    def nothing(self) -> NotSound:
        """The body is over and there was no sound in it."""
        return NotSound("an empty answer" if not self._held else "an answer that is no sound", self._held)

    def _begin(self) -> bool:
        """Whether it is known what this is; the header is behind us then."""
        if self._text:
            if len(self._held) > _HEADER_BYTES:
                raise NotSound("text instead of sound", self._held)
            return False
        if len(self._held) < 4:
            return False
        if self._held.startswith(b"RIFF"):  # whatever the content type says
            self._begun = self._header()
            return self._begun
        packed = self._packed or next(
            (name for sign, name in _SIGNS.items() if self._held.startswith(sign)), ""
        )
        if packed:
            raise NotSound(f"{packed} although raw PCM was asked for")
        self._begun = True
        return self._begun

    def _header(self) -> bool:
        """Step over the header of a WAV file, when all of it is there."""
        held, at = self._held, 12
        while at + 8 <= len(held):
            name, size = held[at : at + 4], struct.unpack_from("<I", held, at + 4)[0]
            if name == b"data":
                self._held = held[at + 8 :]
                return True
            if name == b"fmt " and at + 24 <= len(held):
                _, self._channels, self.rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", held, at + 8)
                if bits != 16 or not self._channels:
                    raise NotSound(f"a WAV of {bits} bits, not 16")
            at += 8 + size + size % 2
        if len(held) > _HEADER_BYTES:
            raise NotSound("a WAV file without sound")
        return False
