"""What answers elsewhere: endpoints of stages, and the Realtime API behind a relay.

Each is asked for its list of models and nothing else; no key is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from vivavoce.call.relay_settings import OPENAI_HOST
from vivavoce.call.settings import Settings
from vivavoce.call.stage_settings import BUILT_IN
from vivavoce.server.checks.finding import Finding

TIMEOUT_S = 5.0


def endpoints(settings: Settings) -> Iterator[Finding]:
    """Every stage's endpoint, if one is configured: whether it answers, takes the key and has the model."""
    if settings.engine.kind != "cascade":
        return
    for asked in asked_of(settings):
        if not asked.url:
            if asked.prefix == "llm.":
                yield Finding(asked.noun, "ok", "the built-in brain, which knows tools and little else")
        elif not asked.model:
            said = f"{asked.prefix}url is set but {asked.prefix}model is not"
            yield Finding(asked.noun, "failed", said, f"{asked.variable}MODEL=<name of the model there>")
        else:
            yield _ask(asked)


def asked_of(settings: Settings) -> Iterator[Asked]:
    """The first and the second choice of every stage; without an address where there is none."""
    if settings.engine.kind != "cascade":
        return
    for noun, stage, given in (
        ("recogniser", "stt", settings.stt),
        ("language model", "llm", settings.llm),
        ("voice", "tts", settings.tts),
    ):
        yield Asked(noun, f"{stage}.", given.url, given.model, given.key)
        second = given.second_url if given.url and given.second_url != BUILT_IN else ""
        yield Asked(f"second {noun}", f"{stage}.second_", second, given.second_model, given.second_key)


def upstream(settings: Settings) -> Iterator[Finding]:
    """The Realtime API behind a relay: whether it answers, takes the key and has the model."""
    if settings.engine.kind != "relay":
        return
    from vivavoce.engines.relay.address import Address
    from vivavoce.server.auth import is_loopback

    given = settings.upstream
    url = Address(given.url).of("realtime", "").partition("?")[0]
    if given.key and url.startswith("ws:") and not is_loopback(urlsplit(url).hostname or ""):
        said = "the key and every voice go there in the clear"
        yield Finding("upstream", "warning", said, "VIVAVOCE_UPSTREAM_URL=wss://...")
    found = _ask(Asked("upstream", "upstream.", url, given.model or "gpt-realtime-2", given.key))
    reason = _unready(url) if found.state == "ok" and urlsplit(url).hostname != OPENAI_HOST else None
    if reason is not None:
        found = Finding("upstream", "warning", f"it is not ready: {reason}", "see what runs there")
    yield found


@dataclass(frozen=True, slots=True)
class Asked:
    """An endpoint that is configured, or not (without an address). `prefix`: of its settings, such as `llm.` or `tts.second_`."""

    noun: str
    prefix: str
    url: str
    model: str
    key: str

    @property
    def variable(self) -> str:
        """What the variables of its settings begin with."""
        return "VIVAVOCE_" + self.prefix.replace(".", "_").upper()

    @property
    def shown(self) -> str:
        """The address without what may be a credential: what stands before the `@`, and the query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def models(self) -> str:
        """Where its list of models is."""
        # A name and password in the address would be sent in the place of the key.
        url = (self.shown if self.key else self.url.partition("?")[0]).rstrip("/")
        if url.startswith("ws"):
            url = "http" + url[2:].removesuffix("/realtime")
        url = re.sub(r"/(?:chat/completions|audio/\w+)$", "", url)
        return f"{url}/models" if urlsplit(url).path else f"{url}/v1/models"


def _ask(asked: Asked) -> Finding:
    import httpx

    noun, url = asked.noun, asked.shown
    headers = {"Authorization": f"Bearer {asked.key}"} if asked.key else {}
    try:
        answer = httpx.get(asked.models, headers=headers, timeout=TIMEOUT_S, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        said = f"{url} does not answer ({type(error).__name__})"
        return Finding(noun, "failed", said, f"start it, or correct {asked.variable}URL")
    if answer.status_code in (401, 403):
        said = f"{url} refuses the key ({answer.status_code})" if asked.key else f"{url} asks for a key"
        never = "" if noun == "upstream" else "; OPENAI_API_KEY is never read for it"
        return Finding(noun, "failed", said, f"{asked.variable}KEY=<its key>{never}")
    if answer.status_code != 200:
        said = f"{url} answers, but lists no models ({answer.status_code})"
        return Finding(noun, "warning", said, "a typed turn will tell: vivavoce talk --text")
    names = _listed(answer)
    if names and asked.model not in names:
        said = f"{url} does not list {asked.model}; it has {', '.join(names[:5])}"
        return Finding(noun, "warning", said, f"{asked.variable}MODEL=<one of them>")
    return Finding(noun, "ok", f"{asked.model} at {url}")


def _unready(url: str) -> str | None:
    """Why a server of our own kind says that it cannot answer, such as that it relays back to this one; None from any other."""
    import httpx

    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "wss" else "http"
    try:
        answer = httpx.get(f"{scheme}://{parts.netloc.rpartition('@')[2]}/readyz", timeout=TIMEOUT_S)
        told = answer.json()
        return str(told["reason"]) if told["status"] == "failed" else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


def _listed(answer: Any) -> list[str]:
    try:
        return [str(model["id"]) for model in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return []
