"""Text to speech for the cascade: flite and espeak-ng in worker processes. Opening one: `open_synthesizer`."""

from vivavoce.engines.cascade.tts.synthesizer import (
    EspeakSynthesizer,
    FliteSynthesizer,
    SynthesizerSettings,
    open_synthesizer,
)

__all__ = ["EspeakSynthesizer", "FliteSynthesizer", "SynthesizerSettings", "open_synthesizer"]
