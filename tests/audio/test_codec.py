import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.audio.clip import Clip
from vivavoce.audio.codec import AudioError, decode_audio, encode_audio, wire_rate_hz

PCM = st.binary(max_size=400).map(lambda raw: raw[: len(raw) // 2 * 2])


@given(PCM)
def test_pcm_survives_the_wire(pcm: bytes) -> None:
    clip = Clip(pcm, 24_000)
    assert decode_audio(encode_audio(clip, "audio/pcm"), "audio/pcm") == clip


@pytest.mark.parametrize("format_type", ["audio/pcmu", "audio/pcma"])
@given(codes=st.binary(max_size=400))
def test_g711_codes_survive_decoding_and_encoding(format_type: str, codes: bytes) -> None:
    clip = decode_audio(base64.b64encode(codes).decode(), format_type)
    assert clip.rate_hz == 8_000
    assert clip.samples == len(codes)
    again = decode_audio(encode_audio(clip, format_type), format_type)
    assert again == clip


@pytest.mark.parametrize(
    ("format_type", "rate_hz"), [("audio/pcm", 24_000), ("audio/pcmu", 8_000), ("audio/pcma", 8_000)]
)
def test_an_empty_payload_is_an_empty_clip(format_type: str, rate_hz: int) -> None:
    assert decode_audio("", format_type) == Clip(b"", rate_hz)
    assert wire_rate_hz(format_type) == rate_hz


def test_an_odd_number_of_bytes_is_named() -> None:
    with pytest.raises(AudioError, match=r"16-bit samples, got an odd number of bytes \(3\)"):
        decode_audio(base64.b64encode(b"abc").decode(), "audio/pcm")
    assert decode_audio(base64.b64encode(b"abc").decode(), "audio/pcmu").samples == 3


@pytest.mark.parametrize(
    "payload", ["AAA", "AA A=", "AAAA\n", "A-_A", "ÄÖ==", "data:audio/pcm;base64,AAAA", "AA==AA=="]
)
def test_what_is_not_strict_base64_is_refused(payload: str) -> None:
    with pytest.raises(AudioError, match="not valid base64"):
        decode_audio(payload, "audio/pcm")


@given(st.text(max_size=40))
def test_any_text_gives_a_clip_or_an_audio_error(payload: str) -> None:
    try:
        clip = decode_audio(payload, "audio/pcm")
    except AudioError:
        return
    assert base64.b64encode(clip.pcm).decode() == payload


def test_a_clip_at_another_rate_is_not_encoded() -> None:
    with pytest.raises(AudioError, match="16000 Hz cannot be sent as 'audio/pcm', which is 24000 Hz"):
        encode_audio(Clip(b"\0\0", 16_000), "audio/pcm")


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(AudioError, match="audio/pcm, audio/pcmu, audio/pcma"):
        decode_audio("", "audio/opus")
