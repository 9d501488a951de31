"""Audio as it stands in events: base64 text in one of the three wire formats."""

from __future__ import annotations

import pybase64

from vivavoce.audio import g711
from vivavoce.audio.clip import Clip

WIRE_RATES_HZ = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
"""Sample rate of each wire format (protocol reference: `audio.input.format`, `audio.output.format`)."""


class AudioError(ValueError):
    """Audio that cannot be read or written; the message says what is wrong in words fit for a client."""


def wire_rate_hz(format_type: str) -> int:
    """The sample rate of a wire format, e.g. 24000 for "audio/pcm". Raises AudioError for an unknown one."""
    try:
        return WIRE_RATES_HZ[format_type]
    except KeyError:
        known = ", ".join(WIRE_RATES_HZ)
        raise AudioError(f"Unknown audio format '{format_type}': expected one of {known}.") from None


def decode_audio(payload: str, format_type: str) -> Clip:
    """The clip that a base64 `payload` holds. An empty payload is an empty clip.

    Strict: a character outside the standard alphabet, white space, or missing padding is an AudioError, and
    so is an odd number of bytes where the format has two bytes to a sample.
    """
    rate_hz = wire_rate_hz(format_type)
    try:
        raw = pybase64.b64decode(payload, validate=True)
    except ValueError as error:
        raise AudioError(f"Audio is not valid base64: {error}.") from None
    if format_type == "audio/pcmu":
        return Clip(g711.decode_ulaw(raw), rate_hz)
    if format_type == "audio/pcma":
        return Clip(g711.decode_alaw(raw), rate_hz)
    if len(raw) % 2:
        raise AudioError(
            f"Audio in format 'audio/pcm' is made of 16-bit samples, got an odd number of bytes ({len(raw)})."
        )
    return Clip(raw, rate_hz)


def encode_audio(clip: Clip, format_type: str) -> str:
    """`clip` as base64 text. The clip must already be at the format's rate; AudioError otherwise."""
    rate_hz = wire_rate_hz(format_type)
    if clip.rate_hz != rate_hz:
        raise AudioError(
            f"A clip at {clip.rate_hz} Hz cannot be sent as '{format_type}', which is {rate_hz} Hz."
        )
    raw = clip.pcm
    if format_type == "audio/pcmu":
        raw = g711.encode_ulaw(raw)
    elif format_type == "audio/pcma":
        raw = g711.encode_alaw(raw)
    return pybase64.b64encode_as_string(raw)
