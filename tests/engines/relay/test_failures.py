"""What a client is told of an upstream that wants nothing of us."""

from __future__ import annotations

from vivavoce.engines.relay.failures import refused


def test_a_wrong_key_and_a_missing_one_are_told_apart() -> None:
    body = b'{"error": {"message": "Incorrect API key provided: sk-abc***xyz"}}'
    assert (
        refused(401, body, "sk-abcdefgh").message == "The upstream does not accept this server's key (401)."
    )
    # OPENAI_API_KEY goes to OpenAI alone: whoever has set that and another address finds out here.
    missing = refused(401, body, "")
    assert missing.message.startswith("The upstream asks for a key, and this server was given none")
    assert missing.message.endswith("VIVAVOCE_UPSTREAM_KEY.")
    assert (missing.code, missing.passing) == ("upstream_unauthorized", False)
