"""Speech recognition of the embedded cascade:

pocketsphinx in worker processes, biased towards each session's own words.
"""

from vivavoce.engines.cascade.stt.transcriber import PocketsphinxSettings, PocketsphinxTranscriber

__all__ = ["PocketsphinxSettings", "PocketsphinxTranscriber"]
