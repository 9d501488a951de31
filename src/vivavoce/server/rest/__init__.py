"""The part of the API that is no call: speech, transcripts, answers over plain HTTP. See docs/rest.md."""
