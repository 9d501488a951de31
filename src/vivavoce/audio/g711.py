"""G.711 u-law and A-law as table look-ups, bit-exact with the ITU reference encoder.

Decoding looks 256 codes up; encoding looks all 65536 samples up by their unsigned view. The tables cost 132
kB and a few milliseconds, so they are built when the first telephone calls.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_ULAW_BIAS = 33
# The clip holds for magnitude + bias: clipping the magnitude alone lets the loudest samples wrap into segment
# 8.
_ULAW_BIASED_MAX = 0x1FFF


def decode_ulaw(codes: bytes) -> bytes:
    """PCM16 little-endian samples of u-law codes, one code a byte."""
    return _ulaw_decoding()[np.frombuffer(codes, np.uint8)].tobytes()


def decode_alaw(codes: bytes) -> bytes:
    """PCM16 little-endian samples of A-law codes, one code a byte."""
    return _alaw_decoding()[np.frombuffer(codes, np.uint8)].tobytes()


def encode_ulaw(pcm: bytes) -> bytes:
    """u-law codes of PCM16 little-endian samples."""
    codes: bytes = _ulaw_encoding()[np.frombuffer(pcm, "<u2")].tobytes()
    return codes


def encode_alaw(pcm: bytes) -> bytes:
    """A-law codes of PCM16 little-endian samples."""
    codes: bytes = _alaw_encoding()[np.frombuffer(pcm, "<u2")].tobytes()
    return codes


@cache
def _ulaw_decoding() -> NDArray[np.int16]:
    code = ~np.arange(256) & 0xFF
    segment = (code >> 4) & 7
    magnitude = ((((code & 0xF) << 1) + _ULAW_BIAS) << segment) - _ULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16) * np.int16(4)


@cache
def _alaw_decoding() -> NDArray[np.int16]:
    code = np.arange(256) ^ 0x55
    segment = (code >> 4) & 7
    step = ((code & 0xF) << 4) + 8
    magnitude = np.where(segment == 0, step, (step + 0x100) << np.maximum(segment - 1, 0))
    samples: NDArray[np.int16] = np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)
    return samples


@cache
def _ulaw_encoding() -> NDArray[np.uint8]:
    sample = _every_sample() >> 2
    biased = np.minimum(np.abs(sample) + _ULAW_BIAS, _ULAW_BIASED_MAX)
    segment = _segment(biased, first_end=0x3F)
    code = (segment << 4) | ((biased >> (segment + 1)) & 0xF)
    codes: NDArray[np.uint8] = (code ^ np.where(sample < 0, 0x7F, 0xFF)).astype(np.uint8)
    return codes


@cache
def _alaw_encoding() -> NDArray[np.uint8]:
    sample = _every_sample() >> 3
    magnitude = np.where(sample < 0, -sample - 1, sample)
    segment = _segment(magnitude, first_end=0x1F)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 0xF)
    codes: NDArray[np.uint8] = (code ^ np.where(sample < 0, 0x55, 0xD5)).astype(np.uint8)
    return codes


def _every_sample() -> NDArray[np.int64]:
    """All samples, in the order of their unsigned view: 0..32767, -32768..-1."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)


def _segment(magnitude: NDArray[np.int64], first_end: int) -> NDArray[np.int64]:
    """Which of the eight segments, each twice as long as the one before, a magnitude falls into."""
    ends = np.array([((first_end + 1) << n) - 1 for n in range(7)])
    return np.searchsorted(ends, magnitude).astype(np.int64)
