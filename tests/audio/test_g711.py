import warnings
from types import ModuleType

import numpy as np
import pytest

from vivavoce.audio import g711

EVERY_SAMPLE = np.arange(-32768, 32768).astype("<i2").tobytes()
EVERY_CODE = bytes(range(256))


@pytest.fixture(scope="module")
def audioop() -> ModuleType:
    """The standard library's own G.711, gone with Python 3.13."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module: ModuleType = pytest.importorskip(
            "audioop", reason="audioop left the standard library in 3.13"
        )
        return module


def test_ulaw_is_bit_exact(audioop: ModuleType) -> None:
    assert g711.encode_ulaw(EVERY_SAMPLE) == audioop.lin2ulaw(EVERY_SAMPLE, 2)
    assert g711.decode_ulaw(EVERY_CODE) == audioop.ulaw2lin(EVERY_CODE, 2)


def test_alaw_is_bit_exact(audioop: ModuleType) -> None:
    assert g711.encode_alaw(EVERY_SAMPLE) == audioop.lin2alaw(EVERY_SAMPLE, 2)
    assert g711.decode_alaw(EVERY_CODE) == audioop.alaw2lin(EVERY_CODE, 2)


@pytest.mark.parametrize(
    ("sample", "ulaw", "alaw"),
    [(0, 0xFF, 0xD5), (-1, 0x7E, 0x55), (32767, 0x80, 0xAA), (-32768, 0x00, 0x2A), (1000, 0xCE, 0xFA)],
)
def test_known_samples(sample: int, ulaw: int, alaw: int) -> None:
    pcm = sample.to_bytes(2, "little", signed=True)
    assert g711.encode_ulaw(pcm) == bytes([ulaw])
    assert g711.encode_alaw(pcm) == bytes([alaw])


def test_what_was_decoded_encodes_to_the_same_code() -> None:
    assert g711.encode_alaw(g711.decode_alaw(EVERY_CODE)) == EVERY_CODE
    # u-law has two codes for zero; the negative one, 0x7F, comes back as the positive one.
    assert g711.encode_ulaw(g711.decode_ulaw(EVERY_CODE)) == EVERY_CODE.replace(b"\x7f", b"\xff")


def test_loud_samples_stay_loud() -> None:
    loud = np.arange(32000, 32768).astype("<i2").tobytes()
    for encode, decode in ((g711.encode_ulaw, g711.decode_ulaw), (g711.encode_alaw, g711.decode_alaw)):
        assert np.frombuffer(decode(encode(loud)), "<i2").min() > 31_000
