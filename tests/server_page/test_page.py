"""The page at `/`: what it is made of, and in a browser a conversation with it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import soundfile

from tests.server_page.browser import Tab, browsing, find_chromium
from vivavoce.call.settings import Settings, load_settings
from vivavoce.server.app import PAGE
from vivavoce.server.embedded import running_server

CHROMIUM = find_chromium()
in_a_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)"
)

SENT = "Good afternoon. It is a quiet day and the sea is calm, as far as one can see."
ANSWER = f"{SENT} Nothing at all is waiting for you before dinner time, so take your time and look around."
SCRIPT = f"""
answer = "{ANSWER}"
[[rules]]
when = '"rolled"'
answer = "There you are."
[[rules]]
when = "dice"
calls = [{{ name = "roll_dice", arguments = {{ count = 2 }} }}]
[[rules]]
when = "bold"
answer = "<b>Bold</b> & calm."
"""
FIRST_WORDS = "Good afternoon."


def files() -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted(PAGE.iterdir())}


def test_it_is_small_and_loads_nothing_from_elsewhere() -> None:
    assert sum(len(text.splitlines()) for text in files().values()) <= 300
    for name, text in files().items():
        addresses = [
            found for found in re.findall(r"https?://[^\s\"'`)]+", text) if "www.w3.org" not in found
        ]
        assert not addresses, name
        assert name == "icon.svg" or max(map(len, text.splitlines())) <= 160, name


async def test_everything_it_names_is_served_under_a_policy_of_its_own_origin(tmp_path: Path) -> None:
    async with running_server(settings(tmp_path)) as url, httpx.AsyncClient(base_url=url) as client:
        page = await client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        named = [*re.findall(r'(?:src|href)="([^"]+)"', page.text), "/page/worklet.js"]
        assert "/page/talk.js" in named
        for answer in [page, *[await client.get(name) for name in named]]:
            assert answer.status_code == 200
            assert answer.headers["content-security-policy"].startswith(
                "default-src 'self'; connect-src 'self' ws: wss:"
            )
        assert (await client.get("/page/talk.js")).headers["content-type"].startswith("text/javascript")
        for outside in ("/page/missing.js", "/page/..%2fapp.py", "/page/%2e%2e"):
            assert (await client.get(outside)).status_code == 404


def settings(folder: Path, keys: list[str] | None = None) -> Settings:
    script = folder / "script.toml"
    script.write_text(SCRIPT)
    flags = {"engine.kind": "scripted", "scripted.script": str(script), "auth.keys": keys}
    return load_settings(flags, environ={})


def speech(folder: Path) -> Path:
    """One second of tone in every five: the browser plays the file again and again."""
    rate_hz = 48_000
    loud = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)
    path = folder / "microphone.wav"
    soundfile.write(
        path, np.concatenate((np.zeros(rate_hz // 5), loud, np.zeros(rate_hz * 19 // 5))), rate_hz
    )
    return path


@contextlib.asynccontextmanager
async def page(folder: Path, keys: list[str] | None = None) -> AsyncIterator[Tab]:
    """A server, and its page in a browser, which may not complain about anything nor ask for anything else."""
    assert CHROMIUM is not None
    async with (
        running_server(settings(folder, keys)) as url,
        browsing(CHROMIUM, folder, speech(folder), f"{url}/") as tab,
    ):
        yield tab
        assert tab.complaints == []
        assert {urlsplit(address).netloc for address in tab.requests} == {urlsplit(url).netloc}


CONNECTED = "document.querySelector('#state')?.textContent === 'connected'"


@in_a_browser
async def test_a_spoken_turn_is_captioned_answered_and_cut_off(tmp_path: Path) -> None:
    async with page(tmp_path) as tab:
        await tab.until(CONNECTED)
        assert await tab.text("#answers") == ["hears: constant transcript · thinks: script · speaks: tone"]
        await tab.run("document.querySelector('#mic').click()")
        await tab.until("document.querySelector('.you p')?.textContent === 'hello there'")
        await tab.until("document.querySelector('.agent small')?.textContent.endsWith(' ms')")
        [latency] = await tab.text(".agent small")
        # 500 ms of silence end the turn; the rest is the browser's own way to the loudspeaker.
        assert 500 <= int(latency.removesuffix(" ms")) < 3000
        # The file begins again and speaks into the answer.
        lost = await tab.until("document.querySelector('.agent s')?.textContent")
        kept = await tab.run("document.querySelector('.agent p').firstChild.textContent")
        assert kept.startswith(FIRST_WORDS)
        assert ANSWER.startswith(kept + lost)
        assert await tab.text("#notice") == [""]


@in_a_browser
async def test_a_typed_turn_shows_the_tool_at_work(tmp_path: Path) -> None:
    async with page(tmp_path) as tab:
        await tab.until(CONNECTED)
        await tab.run(
            "Array.from(document.querySelectorAll('.things button')).find((b) => b.innerText.includes('dice')).click()"
        )
        await tab.until("document.querySelector('.agent p')?.textContent === 'There you are.'")
        assert await tab.text(".you p") == ["Roll two dice."]
        assert await tab.text(".tool p") == ['roll_dice({"count":2})']
        [rolled] = await tab.text(".tool small")
        assert re.fullmatch(r'\{"rolled":\[[1-6],[1-6]\]\}', rolled)
        await tab.until("document.querySelector('.agent small').textContent.endsWith(' ms')")


@in_a_browser
async def test_words_are_shown_as_words(tmp_path: Path) -> None:
    async with page(tmp_path) as tab:
        await tab.until(CONNECTED)
        await tab.run("document.querySelector('#text').value = 'be bold <i>now</i>'")
        await tab.run("document.querySelector('#typing').requestSubmit()")
        await tab.until("document.querySelector('.agent p')?.textContent === '<b>Bold</b> & calm.'")
        assert await tab.text(".you p") == ["be bold <i>now</i>"]
        assert await tab.run("document.querySelector('#text').value") == ""


@in_a_browser
async def test_holding_space_is_push_to_talk(tmp_path: Path) -> None:
    async with page(tmp_path) as tab:
        await tab.until(CONNECTED)
        await tab.key("keyDown", "Space", " ")
        await tab.until("document.querySelector('#mic').ariaLabel === 'Release to send'")
        assert await tab.run("document.querySelector('#hold').ariaPressed") == "true"
        # A level above zero is the tone of the file.
        await tab.until("Number(document.querySelector('#mic').style.getPropertyValue('--level')) > .2")
        await tab.key("keyUp", "Space", " ")
        await tab.until("document.querySelector('.agent p')?.textContent.startsWith('Good afternoon.')")
        assert await tab.text(".you p") == ["hello there"]
        assert await tab.run("document.querySelector('#mic').ariaLabel") == "Hold to talk"
        assert await tab.text("#notice") == [""]


@in_a_browser
async def test_a_key_is_asked_for_only_where_one_is_needed(tmp_path: Path) -> None:
    async with page(tmp_path, ["right-key"]) as tab:
        await tab.until("document.querySelector('#state')?.textContent === 'needs a key'")
        assert await tab.run("document.querySelector('#key-form').hidden") is False
        for key, state in (("wrong", "the key was refused"), ("right-key", "connected")):
            await tab.run(f"document.querySelector('#key').value = '{key}'")
            await tab.run("document.querySelector('#key-form').requestSubmit()")
            await tab.until(f"document.querySelector('#state').textContent === '{state}'")
        assert await tab.run("document.querySelector('#key-form').hidden") is True
        # The browser itself reports the refused requests.
        tab.complaints = [complaint for complaint in tab.complaints if "401" not in complaint]


@in_a_browser
async def test_a_server_that_goes_away_is_said(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    async with contextlib.AsyncExitStack() as server:
        url = await server.enter_async_context(running_server(settings(tmp_path)))
        async with browsing(CHROMIUM, tmp_path, speech(tmp_path), f"{url}/") as tab:
            await tab.until(CONNECTED)
            await server.aclose()
            await tab.until("document.querySelector('#state').textContent === 'not connected'")
            again = "Speaking or typing connects again."
            # Why it ended is said where the server still had the time to say it.
            (notice,) = await tab.text("#notice")
            assert notice in (
                f"The server is shutting down. {again}",
                f"The server cannot be reached. {again}",
            )
            await tab.run("document.querySelector('#notice').textContent = ''")
            await tab.run("document.querySelector('.things button').click()")
            await tab.until(
                f"document.querySelector('#notice').textContent === 'The server cannot be reached. {again}'"
            )
            # What could not be sent is not shown as said.
            assert await tab.text(".you") == []


@in_a_browser
async def test_everything_can_be_named_and_reached_by_keyboard(tmp_path: Path) -> None:
    async with page(tmp_path) as tab:
        await tab.until(CONNECTED)
        names = await tab.run(
            "Array.from(document.querySelectorAll('button, input'),"
            " (found) => found.ariaLabel || found.labels?.[0]?.innerText || found.innerText)"
        )
        assert all(names), names
        assert await tab.run("document.querySelector('#log').getAttribute('aria-live')") == "polite"
        reached = []
        for _ in range(8):
            await tab.key("keyDown", "Tab", "\t")
            await tab.key("keyUp", "Tab", "\t")
            reached.append(await tab.run("document.activeElement.id || document.activeElement.innerText"))
            assert await tab.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert {"log", "mic", "text", "hold", "Send", "Roll two dice."} <= set(reached)
