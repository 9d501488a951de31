"""Recognisers behind HTTP and behind a realtime socket, played by servers on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import io
import wave
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.engines.played import answered, endpoint, event, head
from vivavoce.audio.clip import Clip
from vivavoce.call.ports import Hints
from vivavoce.engines.cascade.stt.remote import RemoteSttSettings, RemoteTranscriber
from vivavoce.engines.cascade.stt.second import SecondTranscriber
from vivavoce.engines.cascade.stt.socket import SocketTranscriber
from vivavoce.protocol.errors import EngineError
from vivavoce.protocol.responses import LogProb

KEY = "sk-very-secret-0123456789"
JSON = "application/json"
DONE = b"data: [DONE]\n\n"
USAGE = event(
    {"object": "transcription.chunk", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
)


def chunk(words: str, **more: Any) -> bytes:
    """What vLLM streams: a chunk as of a chat."""
    return event(
        {
            "id": "trsc-1",
            "object": "transcription.chunk",
            "model": "small",
            "choices": [{"delta": {"content": words}} | more],
        }
    )


def tone(duration_ms: int, level: int = 8000) -> Clip:
    at = np.arange(24 * duration_ms)
    return Clip((level * np.sin(at * 0.2)).astype("<i2").tobytes(), 24_000)


def silence(duration_ms: int) -> Clip:
    return Clip(bytes(48 * duration_ms), 24_000)


def transcriber(url: str, **settings: Any) -> RemoteTranscriber:
    return RemoteTranscriber(RemoteSttSettings(url, "small", KEY, **settings))


async def said(stt: RemoteTranscriber, *clips: Clip, hints: Hints | None = None) -> tuple[str, list[str]]:
    """The words, and the partials on the way."""
    listener, partials = stt.open(), list[str]()
    if hints is not None:
        listener.configure(hints)
    utterance = listener.begin(partials.append)
    try:
        for clip in clips or (tone(400),):
            utterance.feed(clip)
        return await utterance.finish(), partials
    finally:
        listener.close()
        await stt.close()


async def failure(stt: RemoteTranscriber) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await said(stt)
    assert caught.value.stage == "stt"
    assert KEY not in str(caught.value)
    return caught.value


def text(words: str) -> list[bytes | asyncio.Event]:
    return answered(msgspec.json.encode({"text": words}), JSON)


# --- over HTTP --------------------------------------------------------------------------------------------------------------


async def test_a_recording_is_sent_and_its_words_come_back() -> None:
    hints = Hints("Be kind.", ({"name": "f", "description": "Find it."},), ("Zorb", "Zorb"), "de")
    async with endpoint(text(" Hallo. ")) as (played, url):
        assert (await said(transcriber(url), hints=hints))[0] == "Hallo."
    form = played.raw[-1]
    assert f"authorization: Bearer {KEY}" in played.heads[-1]
    assert b'name="model"\r\n\r\nsmall\r\n' in form
    assert b'name="language"\r\n\r\nde\r\n' in form
    assert b'name="prompt"\r\n\r\nZorb.\r\n' in form
    assert b"Be kind." not in form
    recording = form[form.index(b"RIFF") :]
    with wave.open(io.BytesIO(recording)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert abs(file.getnframes() - 6400) < 400


@pytest.mark.parametrize(
    ("told", "inside"), [("session", (b"Be kind.", b"f: Find it.", b'"keywords[]"')), ("off", ())]
)
async def test_what_a_recogniser_is_told_of_a_session(told: Any, inside: tuple[bytes, ...]) -> None:
    hints = Hints("Be kind.", ({"name": "f", "description": "Find it."},), ("Zorb",), "")
    async with endpoint(text("Hi.")) as (played, url):
        await said(transcriber(url, hints=told), hints=hints)
    assert all(part in played.raw[-1] for part in inside)
    assert b'name="language"' not in played.raw[-1]
    assert (b"Zorb" in played.raw[-1]) is (told == "session")


async def test_a_stream_of_deltas_tells_what_was_understood_so_far() -> None:
    events = [{"type": "transcript.text.delta", "delta": "Where "}, {"type": "transcript.text.delta", "delta": "is it?"},
              {"type": "transcript.text.done", "text": "Where is it?"}]  # fmt: skip
    body = b": hold on\n\n" + b"".join(map(event, events)) + b"data: [DONE]\n\n"
    async with endpoint(answered(body, "text/event-stream")) as (_, url):
        assert await said(transcriber(url)) == ("Where is it?", ["Where ", "Where is it?"])


@pytest.mark.parametrize(
    "answer",
    [
        answered(b"Hi there.\n", "text/plain"),
        answered(event({"text": "Hi "}) + event({"text": "there."}), "text/event-stream"),
        answered(
            b"".join(map(chunk, ("", " Hi", " there."))) + chunk("", finish_reason="stop") + USAGE + DONE,
            "text/event-stream; charset=utf-8",
        ),
        answered(
            event({"type": "transcript.text.segment", "text": "Hi there.", "speaker": "A"}) + DONE,
            "text/event-stream",
        ),
        answered(
            event({"type": "transcript.text.segment", "text": "Hi"})
            + event({"type": "transcript.text.done", "text": "Hi there."}),
            "text/event-stream",
        ),
        answered(
            event({"type": "transcript.text.delta", "delta": "Hi"})
            + event({"type": "transcript.text.done", "text": "Hi there."}),
            "text/plain",
        ),
        answered(b'data: {"type": "transcript.text.done", "text": "Hi there."}', "text/event-stream"),
        answered(b'{"text": "Hi there."}', "text/plain; charset=utf-8"),
        answered(b"Hi there.", "text/html; charset=utf-8"),
        answered(b'"Hi there."', JSON),
        answered(b'{"text": "<|en|><|EMO_UNKNOWN|>Hi there."}', JSON),
        answered(b'{"text": "language English<asr_text>Hi there."}', JSON),
    ],
    ids=[
        "text",
        "segments",
        "vllm",
        "speakers",
        "speakers and text",
        "unnamed stream",
        "unended",
        "unnamed",
        "flask",
        "fastapi",
        "tokens",
        "qwen",
    ],
)
async def test_shapes_of_other_servers(answer: list[bytes | asyncio.Event]) -> None:
    async with endpoint(answer) as (_, url):
        assert (await said(transcriber(url)))[0] == "Hi there."


async def test_the_chunks_of_vllm_tell_what_was_understood_so_far() -> None:
    body = chunk("language English<asr_text>Hi") + chunk(" there.") + DONE
    async with endpoint(answered(body, "text/event-stream")) as (_, url):
        assert await said(transcriber(url)) == ("Hi there.", ["Hi", "Hi there."])


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (" [BLANK_AUDIO]\n", ""),
        ("[ Silence ] (wind blowing)", ""),
        ("(upbeat music).", ""),
        ("*coughs*", ""),
        ("\u266a\u266a\u266a", ""),
        ("[MUSIC] Hi there.", "[MUSIC] Hi there."),
        ("Hi (there)", "Hi (there)"),
        ("5", "5"),
        ("<|nospeech|>", ""),
        ("", ""),
    ],
)
async def test_remarks_alone_are_no_words(written: str, words: str) -> None:
    answers = text(written), answered(written.encode(), "text/plain")
    async with endpoint(*answers) as (_, url):
        stt = transcriber(url)
        listener = stt.open()
        for _ in answers:
            utterance = listener.begin(lambda text: None)
            utterance.feed(tone(400))
            assert await utterance.finish() == words
        listener.close()
        await stt.close()


async def test_a_language_is_named_without_its_country() -> None:
    async with endpoint(text("Hi.")) as (played, url):
        await said(transcriber(url), hints=Hints(language="de_AT"))
    assert b'name="language"\r\n\r\nde\r\n' in played.raw[0]


async def test_fields_that_a_server_refuses_are_left_out_from_then_on() -> None:
    refusal = answered(b'{"detail": "unknown field stream"}', JSON, "422 No")
    async with endpoint(refusal, text("Hi."), text("Hi.")) as (played, url):
        stt = transcriber(url)
        assert (await said(stt))[0] == "Hi."
    assert [b'name="stream"' in form for form in played.raw] == [True, False]


LOGPROBS = [{"token": "Hi", "logprob": -0.25, "bytes": [72, 105]}, {"token": ".", "logprob": -1}]
READ = (LogProb(token="Hi", logprob=-0.25, bytes=[72, 105]), LogProb(token=".", logprob=-1.0, bytes=[46]))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (answered(msgspec.json.encode({"text": "Hi.", "logprobs": LOGPROBS}), JSON), READ),
        (answered(event({"type": "transcript.text.done", "text": "Hi.", "logprobs": LOGPROBS}), "text/event-stream"), READ),
        (answered(msgspec.json.encode({"text": "Hi.", "logprobs": [*LOGPROBS, {"token": "x"}]}), JSON), ()),
        (answered(msgspec.json.encode({"text": "Hi.", "logprobs": "none"}), JSON), ()),
        (text("Hi."), ()),
    ],
    ids=["whole", "stream", "half", "odd", "none"],
)  # fmt: skip
async def test_log_probabilities_are_asked_for_where_somebody_wants_them(answer: Any, told: Any) -> None:
    async with endpoint(answer, text("Hi.")) as (played, url):
        first = SecondTranscriber(transcriber(url), transcriber(url))
        listener = first.open()
        for wanted in (True, False):
            listener.configure(Hints(logprobs=wanted))
            utterance = listener.begin(lambda text: None)
            utterance.feed(tone(400))
            assert await utterance.finish() == "Hi."
            assert utterance.logprobs == (told if wanted else ())
        listener.close()
        await first.close()
    assert [b'name="include[]"\r\n\r\nlogprobs' in form for form in played.raw] == [True, False]


@pytest.mark.parametrize(
    "words", ["Unknown parameter: 'include[]'.", "logprobs is not supported by this model"]
)
async def test_an_endpoint_that_knows_no_log_probabilities_is_not_asked_again(words: str) -> None:
    refusal = answered(msgspec.json.encode({"error": {"message": words}}), JSON, "400 No")
    async with endpoint(refusal, text("Hi.")) as (played, url):
        assert (await said(transcriber(url), hints=Hints(logprobs=True)))[0] == "Hi."
    assert [b'name="include[]"' in form for form in played.raw] == [True, False]


async def test_what_was_read_at_a_pause_stands_where_nothing_was_said_since() -> None:
    late = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, late.set)
    async with endpoint([late, *text("one")], text("one two")) as (played, url):
        stt = SecondTranscriber(transcriber(url), transcriber(url))
        listener = stt.open()
        utterance = listener.begin(lambda text: None)
        for clip in (tone(400), silence(200)):
            utterance.feed(clip)
        assert await utterance.peek() == "one"
        utterance.feed(silence(300))
        assert await utterance.finish() == "one"
        assert utterance.read_ms >= 100  # although it was read before
        assert len(played.raw) == 1
        utterance.feed(tone(200))
        assert await utterance.finish() == "one two"
        listener.close()
        await stt.close()


async def test_a_reading_that_is_under_way_when_the_turn_ends_is_waited_for() -> None:
    hold = asyncio.Event()
    async with endpoint([hold, *text("one")]) as (played, url):
        stt = transcriber(url)
        listener = stt.open()
        utterance = listener.begin(lambda text: None)
        for clip in (tone(400), silence(200)):
            utterance.feed(clip)
        peeking = asyncio.create_task(utterance.peek())
        await asyncio.wait_for(played.asked.wait(), 5)
        utterance.feed(silence(300))
        finishing = asyncio.create_task(utterance.finish())
        await asyncio.sleep(0)
        hold.set()
        assert (await peeking, await finishing) == ("one", "one")
        listener.close()
        await stt.close()
    assert len(played.raw) == 1


async def test_too_little_to_be_a_word_is_not_asked_about() -> None:
    async with endpoint() as (played, url):
        assert await said(transcriber(url), tone(60)) == ("", [])
    assert played.raw == []


@pytest.mark.parametrize(
    ("answer", "message", "retryable"),
    [
        (answered(f'{{"error": {{"message": "bad key {KEY}"}}}}'.encode(), JSON, "401 No"), "answered 401: bad key ***", False),
        (answered(b"busy", "text/html", "503 Busy"), "answered 503: busy", True),
        (answered(b"<html>", JSON), "does not answer like a recogniser (a page of HTML)", False),
        (answered(b'{"error": "no model"}', JSON), "does not answer like a recogniser (no model)", False),
        (answered(event({"type": "error", "error": {"message": "broken"}}), "text/event-stream"), "reported an error: broken", True),
        (answered(b"event: error\ndata: broken\n\n", "text/event-stream"), "reported an error: broken", True),
        (answered(event({"object": "error", "message": "broken"}), "text/event-stream"), "reported an error: broken", True),
        (answered(event({"words": ["Hi"]}) + DONE, "text/event-stream"), "does not answer like a recogniser (no transcript:", False),
        (answered(b'{"text": "Hi', JSON), "does not answer like a recogniser (not JSON)", False),
        (answered(b"", JSON), "does not answer like a recogniser (not JSON)", False),
        ([head(), event({"delta": "Hi"}), asyncio.Event()], "sent no transcript within 0.2 s", True),
        ([asyncio.Event()], "sent no transcript within 0.2 s", True),
    ],
    ids=["401", "503", "html", "error", "in the stream", "named", "vllm", "strange", "cut", "empty", "stalls", "silent"],
)  # fmt: skip
async def test_failures_name_the_host_and_never_the_key(answer: Any, message: str, retryable: bool) -> None:
    async with endpoint(answer) as (_, url):
        error = await failure(transcriber(url, timeout_s=0.2 if "within" in message else 10.0))
    assert message in error.message
    assert "127.0.0.1" in error.message
    assert error.retryable is retryable


async def test_cancelling_closes_the_request() -> None:
    async with endpoint([asyncio.Event()]) as (played, url):
        stt = transcriber(url)
        listener = stt.open()
        utterance = listener.begin(lambda text: None)
        utterance.feed(tone(400))
        reading = asyncio.create_task(utterance.finish())
        while not played.raw:
            await asyncio.wait_for(played.asked.wait(), 2)
            await asyncio.sleep(0.01)
        listener.close()
        await asyncio.wait_for(played.gone.wait(), 2)
        with pytest.raises(asyncio.CancelledError):
            await reading
        await stt.close()


# --- a second choice ----------------------------------------------------------------------------------------------------------


async def test_a_second_recogniser_hears_it_all_again() -> None:
    broken = answered(b"oops", "text/plain", "500 Oops")
    async with (
        endpoint(broken) as (first, url),
        endpoint(text("Hi."), text("Ho.")) as (second, other),
    ):
        stt = SecondTranscriber(transcriber(url), transcriber(other))
        listener = stt.open()
        for words in ("Hi.", "Ho."):
            utterance = listener.begin(lambda text: None)
            utterance.feed(tone(400))
            assert await utterance.finish() == words
        listener.close()
        await stt.close()
    assert (len(first.raw), len(second.raw)) == (1, 2)
    assert second.raw[0].count(b"RIFF") == 1


# --- over a socket ------------------------------------------------------------------------------------------------------------


@dataclass
class Realtime:
    """Plays the other end of a transcription socket."""

    on_commit: list[dict[str, Any]] | None
    refusal: dict[str, Any] | None = None
    """What a session that includes anything is answered."""
    received: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.paths.append(socket.request.path)
        self.headers.append(socket.request.headers.get("authorization"))
        await socket.send('{"type": "session.created"}')
        async for message in socket:
            received = msgspec.json.decode(message)
            self.received.append(received)
            if self.refusal is not None and "include" in received.get("session", ()):
                await socket.send(msgspec.json.encode(self.refusal).decode())
            if received["type"] == "input_audio_buffer.commit":
                if self.on_commit is None:
                    await socket.close(1011, "restart")
                    return
                for answer in self.on_commit:
                    await socket.send(msgspec.json.encode(answer).decode())
        self.gone.set()


def delta(words: str) -> dict[str, Any]:
    return {"type": "conversation.item.input_audio_transcription.delta", "delta": words}


def completed(words: str) -> dict[str, Any]:
    return {"type": "conversation.item.input_audio_transcription.completed", "transcript": words}


@contextlib.asynccontextmanager
async def realtime(on_commit: list[dict[str, Any]] | None) -> AsyncIterator[tuple[Realtime, str]]:
    played = Realtime(on_commit)
    async with serve(played.handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield played, f"ws://127.0.0.1:{port}/v1/realtime"


async def over_socket(url: str, use: Callable[[Any], Any], **settings: Any) -> Any:
    stt = SocketTranscriber(RemoteSttSettings(url, "gpt-4o-transcribe", KEY, **settings))
    listener = stt.open()
    try:
        return await use(listener)
    finally:
        listener.close()
        await stt.close()


@pytest.mark.parametrize(
    ("end", "path"),
    [
        ("", "/v1/realtime?intent=transcription"),
        ("/", "/v1/realtime?intent=transcription"),
        ("/v1", "/v1/realtime?intent=transcription"),
        ("/v1/realtime?model=x", "/v1/realtime?model=x"),
    ],
)
async def test_forms_of_a_sockets_address(end: str, path: str) -> None:
    async def one(listener: Any) -> str:
        listener.configure(Hints(language="en-US"))
        utterance = listener.begin(lambda text: None)
        utterance.feed(tone(400))
        return str(await utterance.finish())

    async with realtime([completed(" [BLANK_AUDIO]")]) as (played, url):
        assert await over_socket(url.removesuffix("/v1/realtime") + end, one) == ""
    assert played.paths == [path]
    assert played.received[0]["session"]["audio"]["input"]["transcription"]["language"] == "en"


async def test_the_socket_hears_while_it_is_said_and_serves_the_next_utterance_too() -> None:
    partials: list[str] = []

    async def two(listener: Any) -> list[str]:
        listener.configure(Hints(keywords=("Zorb",), language="en"))
        heard = []
        for _ in range(2):
            utterance = listener.begin(partials.append)
            for _ in range(4):
                utterance.feed(tone(100))
            heard.append(await utterance.finish())
            assert await utterance.peek() == "Hi there."
        return heard

    async with realtime([delta("Hi "), delta("there."), completed("Hi there.")]) as (played, url):
        assert await over_socket(url, two) == ["Hi there.", "Hi there."]
    assert partials == ["Hi", "Hi there."] * 2
    assert played.paths == ["/v1/realtime?intent=transcription"]
    assert played.headers == [f"Bearer {KEY}"]
    update = played.received[0]["session"]
    assert update["type"] == "transcription"
    assert update["audio"]["input"]["turn_detection"] is None
    assert update["audio"]["input"]["transcription"] == {
        "model": "gpt-4o-transcribe",
        "language": "en",
        "prompt": "Zorb.",
    }
    kinds = [one["type"] for one in played.received]
    assert kinds.count("input_audio_buffer.commit") == 2
    assert kinds.count("input_audio_buffer.append") == 8


@pytest.mark.parametrize(
    ("on_commit", "message"),
    [
        ([{"type": "error", "error": {"message": f"bad {KEY}", "code": "x"}}], "reported an error: bad ***"),
        ([{"type": "conversation.item.input_audio_transcription.failed", "error": {"message": "noise"}}], "reported an error: noise"),
        ([], "sent no transcript within 0.2 s"),
        ([{"type": "error", "error": "plain words"}], "reported an error: plain words"),
        (["not an event"], "does not answer like a Realtime API"),
        (None, "closed the connection"),
    ],
    ids=["error", "failed", "silent", "plain", "nonsense", "closes"],
)  # fmt: skip
async def test_failures_of_the_socket(on_commit: list[Any] | None, message: str) -> None:
    async def one(listener: Any) -> None:
        utterance = listener.begin(lambda text: None)
        utterance.feed(tone(400))
        await utterance.finish()

    async with realtime(on_commit) as (_, url):
        with pytest.raises(EngineError) as caught:
            await over_socket(url, one, timeout_s=0.2 if "within" in message else 10.0)
    assert message in caught.value.message
    assert KEY not in str(caught.value)


async def test_the_socket_tells_log_probabilities() -> None:
    async def one(listener: Any) -> Any:
        listener.configure(Hints(logprobs=True))
        utterance = listener.begin(lambda text: None)
        utterance.feed(tone(400))
        await utterance.finish()
        return utterance.logprobs

    async with realtime([completed("Hi.") | {"logprobs": LOGPROBS}]) as (played, url):
        assert await over_socket(url, one) == READ
    assert played.received[0]["session"]["include"] == ["item.input_audio_transcription.logprobs"]


@pytest.mark.parametrize(
    "error",
    [
        {
            "code": "unknown_parameter",
            "param": "session.include",
            "message": "Unknown parameter: 'session.include'.",
        },
        {"message": "logprobs are not supported by this model"},
    ],
)
async def test_a_socket_that_tells_no_log_probabilities_is_asked_once(
    error: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def two(listener: Any) -> list[str]:
        listener.configure(Hints(logprobs=True))
        heard = []
        for _ in range(2):
            utterance = listener.begin(lambda text: None)
            utterance.feed(tone(400))
            heard.append(await utterance.finish())
            assert not utterance.logprobs
        return heard

    async with realtime([completed("Hi.")]) as (played, url):
        played.refusal = {"type": "error", "error": error}
        assert await over_socket(url, two) == ["Hi.", "Hi."]
    sessions = [event["session"] for event in played.received if event["type"] == "session.update"]
    assert ["include" in session for session in sessions] == [True, False, False]
    first, *rest = [len(event["audio"]) for event in played.received if "audio" in event]
    assert set(rest) == {first}  # The second session heard all of it as well.
    (told,) = caplog.messages
    assert "tells no log probabilities" in told


async def test_nothing_said_is_nothing_heard_and_a_forgotten_utterance_hangs_up() -> None:
    empty = {"type": "error", "error": {"code": "input_audio_buffer_commit_empty", "message": "empty"}}

    async def some(listener: Any) -> str:
        forgotten = listener.begin(lambda text: None)
        forgotten.feed(tone(400))
        await asyncio.sleep(0.05)
        forgotten.cancel()
        await asyncio.wait_for(played.gone.wait(), 2)
        short = listener.begin(lambda text: None)
        assert await short.finish() == ""
        utterance = listener.begin(lambda text: None)
        utterance.feed(tone(400))
        return str(await utterance.finish())

    async with realtime([empty]) as (played, url):
        assert await over_socket(url, some) == ""


async def test_a_socket_that_refuses_says_why() -> None:
    async def one(listener: Any) -> None:
        utterance = listener.begin(lambda text: None)
        utterance.feed(tone(400))
        await utterance.finish()

    refusal = answered(b'{"error": {"message": "no such key"}}', JSON, "401 No")
    async with endpoint(refusal, refusal) as (_, url):
        with pytest.raises(EngineError, match="answered 401: no such key"):
            await over_socket(url.replace("http", "ws"), one)
