"""The cascade's half of a call, with fakes for the four models and everything between them real."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as replace_struct

from tests.engines.cascade.rig import (
    SOUND,
    Bench,
    FakeEndOfTurn,
    FakeListener,
    FakeModel,
    FakeVoice,
    request,
    spoken,
    typed,
)
from vivavoce.audio.clip import Clip, Frame
from vivavoce.call.ports import (
    EndOfTurn,
    ModelChunk,
    ModelControl,
    ModelStop,
    ModelText,
    ModelToolCall,
    ModelUsage,
    Prompt,
)
from vivavoce.engines.cascade.call import CascadeCall
from vivavoce.engines.cascade.messages import SILENT_CALLER
from vivavoce.engines.cascade.meter import Meter, metered
from vivavoce.engines.cascade.second_choice import ANSWERED_BY
from vivavoce.protocol.errors import EngineError
from vivavoce.protocol.responses import LogProb
from vivavoce.protocol.session_objects import AudioConfig, Include, SessionObject, Transcription
from vivavoce.session.effects import (
    Cancel,
    Configure,
    Forget,
    Generate,
    JudgeTurn,
    Listen,
    Prepare,
    Speak,
    Transcribe,
)
from vivavoce.session.signals import (
    AudioOut,
    ClauseSpoken,
    EngineFailed,
    PreambleOver,
    Prepared,
    ResponseFinished,
    Signal,
    StageUsed,
    TextDelta,
    TokenUsage,
    ToolCall,
    TranscriptFailed,
    TranscriptFinished,
    TranscriptPartial,
    TurnCompleteness,
)


async def test_a_typed_turn_streams_text_usage_and_end() -> None:
    bench = Bench(
        model=FakeModel([ModelText("Hi "), ModelText("there."), ModelUsage(7, 3), ModelStop("stop")])
    )
    bench.call.perform(Generate("gen_1", "resp_1", request(typed("hello"))))
    await bench.settle()
    assert bench.said == [
        TextDelta("gen_1", "Hi "),
        TextDelta("gen_1", "there."),
        ResponseFinished("gen_1", "stop", TokenUsage(7, 3)),
    ]


async def test_speech_is_streamed_from_its_padded_start_and_answered_by_what_was_heard() -> None:
    bench = Bench(model=FakeModel([ModelText("Let me see."), ModelStop("stop")]))
    bench.call.perform(Listen("item_1", (Frame(0, SOUND), Frame(960, SOUND))))
    bench.call.hear(Frame(1920, SOUND))
    bench.call.perform(Transcribe("item_1", (Frame(0, SOUND),)))
    bench.call.perform(Generate("gen_1", "resp_1", request(spoken("item_1"))))
    await bench.settle()
    assert bench.listener.begun[0].fed == 3 * 480
    assert TranscriptFinished("item_1", "where is my order") in bench.said
    assert bench.model.prompts[0].messages[-1] == {"role": "user", "content": "where is my order"}


async def test_how_likely_the_words_are_is_asked_and_told() -> None:
    known = (LogProb(token="yes", logprob=-0.5, bytes=[121, 101, 115]),)
    bench = Bench(listener=FakeListener(words="yes", logprobs=known))
    included: list[Include] = ["item.input_audio_transcription.logprobs"]
    bench.call.perform(Configure(SessionObject(id="s", model="m", include=included)))
    bench.call.perform(Transcribe("item_1", (Frame(0, SOUND),)))
    await bench.settle()
    assert [hints.logprobs for hints in bench.listener.hints] == [True]
    assert bench.said == [TranscriptFinished("item_1", "yes", known)]


async def test_nothing_recognised_is_answered_by_silence_and_no_model_is_asked() -> None:
    bench = Bench(listener=FakeListener(words=""))
    bench.call.perform(Listen("item_1", (Frame(0, SOUND),)))
    bench.call.perform(Transcribe("item_1", ()))
    bench.call.perform(Generate("gen_1", "resp_1", request(spoken("item_1"))))
    await bench.settle()
    assert bench.said == [TranscriptFinished("item_1", ""), ResponseFinished("gen_1")]
    assert bench.model.prompts == []


async def test_audio_that_nobody_spoke_into_the_call_is_decoded_from_the_item() -> None:
    bench = Bench()
    bench.call.perform(Transcribe("item_1", (Frame(0, SOUND), Frame(960, SOUND))))
    await bench.settle()
    assert bench.listener.begun[0].fed == 2 * 480
    assert bench.said == [TranscriptFinished("item_1", "where is my order")]


async def test_the_words_that_shall_end_a_silence_are_expected_from_then_on() -> None:
    bench = Bench(listener=FakeListener(words="please stay quiet until i say green light"))
    bench.call.perform(Listen("item_1", ()))
    bench.call.perform(Transcribe("item_1", ()))
    await bench.settle()
    assert [hints.keywords for hints in bench.listener.hints] == [("green light",)]


async def test_sound_without_speech_has_no_words() -> None:
    bench = Bench(speech=0.1)
    bench.call.perform(Transcribe("item_1", (Frame(0, SOUND),)))
    await bench.settle()
    assert bench.said == [TranscriptFinished("item_1", "")]
    assert bench.listener.begun == []


async def test_a_turn_that_could_not_be_heard_does_not_fail_the_next_one() -> None:
    bench = Bench(listener=FakeListener(fails=True), model=FakeModel([ModelText("Yes."), ModelStop("stop")]))
    bench.call.perform(Listen("item_1", ()))
    bench.call.perform(Transcribe("item_1", ()))
    await bench.settle()
    bench.listener.fails = False
    bench.call.perform(Listen("item_2", ()))
    bench.call.perform(Transcribe("item_2", ()))
    bench.call.perform(Generate("gen_2", "resp_2", request(spoken("item_1"), spoken("item_2"))))
    await bench.settle()
    assert bench.said[-1] == ResponseFinished("gen_2", "stop", None)
    assert [message["content"] for message in bench.model.prompts[0].messages] == ["where is my order"]


async def test_a_failed_recognition_fails_the_item_and_the_turn() -> None:
    bench = Bench(listener=FakeListener(fails=True))
    bench.call.perform(Listen("item_1", ()))
    bench.call.perform(Transcribe("item_1", ()))
    bench.call.perform(Generate("gen_1", "resp_1", request(spoken("item_1"))))
    await bench.settle()
    assert TranscriptFailed("item_1", "stt_failed", "no recogniser was free") in bench.said
    assert EngineFailed("gen_1", "stt", "stt_failed", "no recogniser was free") in bench.said


async def test_an_item_is_told_of_even_when_its_recogniser_breaks(caplog: pytest.LogCaptureFixture) -> None:
    """The session waits for exactly one answer to each `Transcribe`; a bug in a stage is one as well, and is not swallowed."""
    bench = Bench(listener=FakeListener(fails=ValueError("nonsense from the endpoint")))
    bench.call.perform(Listen("item_1", ()))
    bench.call.perform(Transcribe("item_1", ()))
    bench.call.perform(Generate("gen_1", "resp_1", request(spoken("item_1"))))
    await bench.settle()
    assert [type(signal) for signal in bench.said] == [TranscriptFailed, EngineFailed]
    assert bench.said[0] == TranscriptFailed("item_1", "server_error", bench.said[1].message)  # type: ignore[union-attr]
    assert "nonsense from the endpoint" in caplog.text
    assert "nonsense" not in str(bench.said)


async def test_what_could_not_be_heard_is_not_kept() -> None:
    """A recogniser may be down for all of a long call: of its failures the reasons stay, not the sound."""

    class Sound(bytearray):
        """Bytes that can be watched."""

    bench = Bench(listener=FakeListener(fails=True))
    frame = Frame(0, Clip(Sound(960), 24_000))  # type: ignore[arg-type]
    watched = weakref.ref(frame.clip.pcm)
    bench.call.perform(Listen("item_1", ()))
    bench.call.perform(Transcribe("item_1", (frame,)))
    bench.call.perform(Generate("gen_1", "resp_1", request(spoken("item_1"))))
    await bench.settle()
    del frame
    gc.collect()
    assert EngineFailed("gen_1", "stt", "stt_failed", "no recogniser was free") in bench.said
    assert watched() is None


async def test_a_soft_pause_is_answered_on_the_strength_of_what_was_heard_so_far() -> None:
    bench = Bench(model=FakeModel([ModelText("Yes."), ModelStop("stop")]))
    bench.call.perform(Listen("item_1", ()))
    bench.call.perform(Prepare("gen_1", "item_1", request(spoken("item_1"))))
    await bench.settle()
    assert bench.said[0] == Prepared("gen_1", "where is my order")
    assert bench.said[1] == TextDelta("gen_1", "Yes.")
    assert not bench.listener.begun[0].cancelled


@pytest.mark.parametrize("fails", [False, True])
async def test_a_turn_that_is_over_before_its_pause_was_looked_at_is_answered_by_all_of_it(
    fails: bool,
) -> None:
    """As when a recording arrives at once; whoever the answer is promised to would wait for ever."""
    bench = Bench(FakeListener(fails=fails), FakeModel([ModelText("Yes."), ModelStop("stop")]))
    bench.call.perform(Listen("item_1", ()))
    bench.call.perform(Prepare("gen_1", "item_1", request(spoken("item_1"))))
    bench.call.perform(Transcribe("item_1", (Frame(0, SOUND),)))
    await bench.settle()
    if fails:
        assert bench.said == [
            TranscriptFailed("item_1", "stt_failed", "no recogniser was free"),
            EngineFailed("gen_1", "stt", "stt_failed", "no recogniser was free"),
        ]
    else:
        assert bench.said[:3] == [
            TranscriptFinished("item_1", "where is my order"),
            Prepared("gen_1", "where is my order"),
            TextDelta("gen_1", "Yes."),
        ]


async def test_a_reading_that_is_out_of_date_when_the_turn_is_over_fails_nothing() -> None:
    bench = Bench(model=FakeModel([ModelText("Yes."), ModelStop("stop")]))
    bench.call.perform(Listen("item_1", ()))
    waiting = asyncio.Event()

    async def peek() -> str:
        await waiting.wait()
        raise EngineError("stt", "what was read so far is out of date", retryable=True)

    bench.listener.begun[0].peek = peek  # type: ignore[method-assign]
    bench.call.perform(Prepare("gen_1", "item_1", request(spoken("item_1"))))
    await asyncio.sleep(0)
    bench.call.perform(Transcribe("item_1", (Frame(0, SOUND),)))
    waiting.set()
    await bench.settle()
    assert Prepared("gen_1", "where is my order") in bench.said
    assert not [one for one in bench.said if isinstance(one, EngineFailed)]


async def test_a_pause_in_something_forgotten_is_answered_by_nothing() -> None:
    bench = Bench()
    bench.call.perform(Prepare("gen_1", "item_1", request(spoken("item_1"))))
    await bench.settle()
    assert bench.said == []


async def test_what_a_model_was_asked_and_wrote_is_estimated_where_nobody_counts_it() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:" + "A" * 4000}}
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages: tuple[dict[str, Any], ...] = (
        {"role": "system", "content": "x" * 40},
        {"role": "user", "content": [{"type": "text", "text": "y" * 40}, image]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    )
    meter = Meter(Prompt(messages, ({"name": "z"},)))
    assert meter.estimate() is None
    for chunk in (ModelText("eight ch"), ModelToolCall(0, "find", "{}"), ModelStop("stop")):
        meter.took(chunk)
    words = 80 + len('{"name": "z"}') + len('{"name": "find", "arguments": "{}"}')
    assert meter.estimate() == ModelUsage(-(-words // 4), 4)
    meter.took(ModelUsage(1, 2))
    assert meter.estimate() is None


async def test_pieces_of_interleaved_tool_calls_are_put_together() -> None:
    pieces: list[ModelChunk | Exception | asyncio.Event] = [
        ModelToolCall(0, "first", '{"a":'),
        ModelToolCall(1, "second", ""),
        ModelToolCall(0, "", " 1}"),
        ModelToolCall(1, "", "{}"),
        ModelStop("stop"),
    ]
    bench = Bench(model=FakeModel(pieces))
    bench.call.perform(Generate("gen_1", "resp_1", request(typed("go"))))
    await bench.settle()
    assert bench.said[:2] == [ToolCall("gen_1", "first", '{"a": 1}'), ToolCall("gen_1", "second", "{}")]


@pytest.mark.parametrize(
    "chunks",
    [
        [EngineError("llm", "connection refused")],
        [ModelText("So"), EngineError("llm", "no token for 10 s")],
        [ModelToolCall(0, "find", "not json"), ModelStop("stop")],
        [ModelToolCall(0, "find", "[1]"), ModelStop("stop")],
        [RuntimeError("a bug of ours")],
    ],
)
async def test_a_model_that_fails_fails_its_turn_and_the_next_one_works(
    chunks: list[ModelChunk | Exception | asyncio.Event],
) -> None:
    bench = Bench(model=FakeModel(chunks))
    bench.call.perform(Generate("gen_1", "resp_1", request(typed("go"))))
    await bench.settle()
    assert [type(signal) for signal in bench.said][-1] is EngineFailed
    bench.model.chunks = [ModelText("Fine."), ModelStop("stop")]
    bench.call.perform(Generate("gen_2", "resp_2", request(typed("again"))))
    await bench.settle()
    assert bench.said[-1] == ResponseFinished("gen_2", "stop", None)


async def test_what_is_said_can_be_said_and_what_is_written_stays_as_it_is() -> None:
    chunks: list[ModelChunk] = [
        ModelText("**Four**, see [the"),
        ModelText(" page](https://a.dev)."),
        ModelStop("stop"),
    ]
    bench = Bench(model=FakeModel(chunks))
    bench.call.perform(Generate("gen_1", "resp_1", request(typed("hello"))))
    written = replace(request(typed("hello")), speaks=False)
    bench.call.perform(Generate("gen_2", "resp_2", written))
    await bench.settle()
    said = {"gen_1": "", "gen_2": ""}
    for signal in bench.said:
        if isinstance(signal, TextDelta):
            said[signal.generation] += signal.text
    assert said == {"gen_1": "Four, see the page.", "gen_2": "**Four**, see [the page](https://a.dev)."}


async def test_a_preamble_ends_where_the_model_says_so() -> None:
    chunks: list[ModelChunk] = [
        ModelControl("preamble"),
        ModelText("One moment."),
        ModelControl("preamble_end"),
        ModelText("Four."),
        ModelControl("preamble_end"),
    ]
    bench = Bench(model=FakeModel(chunks))
    bench.call.perform(Generate("gen_1", "resp_1", request(typed("hello"))))
    await bench.settle()
    assert bench.said[:3] == [
        TextDelta("gen_1", "One moment."),
        PreambleOver("gen_1"),
        TextDelta("gen_1", "Four."),
    ]
    written = Bench(model=FakeModel(chunks))
    written.call.perform(Generate("gen_1", "resp_1", replace(request(typed("hello")), speaks=False)))
    await written.settle()
    assert PreambleOver("gen_1") not in written.said


async def test_the_model_is_told_more_than_the_instructions_where_it_will_be_heard() -> None:
    for speaks, told in ((True, [{"role": "system", "content": "[] no tools"}]), (False, [])):
        bench = Bench()
        stages = replace(
            bench.stages, instruct=lambda text, tools: f"[{text}] {'tools' if tools else 'no tools'}"
        )
        call = CascadeCall(stages, bench.take)
        call.perform(Generate("gen_1", "resp_1", replace(request(typed("hello")), speaks=speaks)))
        await bench.settle()
        assert list(bench.model.prompts[0].messages[:-1]) == told


async def test_what_each_stage_did_is_told_however_it_ends() -> None:
    never = asyncio.Event()
    bench = Bench(model=FakeModel([ModelText("Four."), ModelUsage(9, 2, 4), ModelStop("stop")]))
    bench.call.perform(Transcribe("item_1", (Frame(0, SOUND), Frame(0, SOUND))))
    bench.call.perform(Generate("gen_1", "resp_1", request(spoken("item_1"))))
    await bench.settle()
    bench.call.perform(Speak("gen_1", 0, "Four.", "marin", 1.0, 24_000))
    await bench.settle()
    bench.voice.fails = True
    bench.call.perform(Speak("gen_1", 1, "Five.", "marin", 1.0, 24_000))
    bench.model.chunks = [ModelText("Once"), never]
    bench.call.perform(Generate("gen_2", "resp_2", request(typed("a story"))))
    await bench.settle()
    bench.call.perform(Cancel("gen_2"))
    await bench.settle()
    told = [
        (one.of, one.stage, one.outcome, one.input_tokens, one.cached_tokens, one.characters, one.sound_ms)
        for one in bench.used
    ]
    assert told == [
        ("item_1", "stt", "done", 0, 0, 0, 40),
        ("gen_1", "llm", "done", 9, 4, 0, 0),
        ("gen_1", "tts", "done", 0, 0, 5, 20),
        ("gen_1", "tts", "failed", 0, 0, 5, 0),
        ("gen_2", "llm", "cancelled", 2, 0, 0, 0),
    ]
    assert [one.first_ms is None for one in bench.used] == [True, False, False, True, False]
    assert [one.estimated for one in bench.used] == [False, False, False, False, True]


async def test_a_reading_that_was_made_at_a_pause_tells_how_long_it_took() -> None:
    bench = Bench()
    for item, read_ms in (("item_1", 250), ("item_2", None)):
        bench.call.perform(Listen(item, ()))
        if read_ms is not None:
            bench.listener.begun[-1].read_ms = read_ms  # type: ignore[attr-defined]
        bench.call.perform(Transcribe(item, (Frame(0, SOUND),)))
        await bench.settle()
    assert bench.used[0].took_ms == 250
    assert bench.used[1].took_ms < 250


async def test_a_second_choice_has_done_its_own_work_alone() -> None:
    told: list[StageUsed] = []

    def emit(signal: Signal) -> None:
        assert isinstance(signal, StageUsed)
        told.append(signal)

    with metered(emit, "gen_1", "llm", "first"):
        ANSWERED_BY.set("second")
    with metered(emit, "gen_1", "tts", "voice"):
        pass
    assert [one.name for one in told] == ["second", "voice"]


async def test_a_model_that_wants_silence_gets_it() -> None:
    chunks: list[ModelChunk] = [ModelControl("silent"), ModelText("since nobody asked"), ModelStop("stop")]
    bench = Bench(model=FakeModel(chunks))
    bench.call.perform(Generate("gen_1", "resp_1", request(typed("be quiet"))))
    await bench.settle()
    assert bench.said == [ResponseFinished("gen_1", "stop", None)]


async def test_cancel_stops_the_model_at_once_and_nothing_more_is_said() -> None:
    never = asyncio.Event()
    bench = Bench(model=FakeModel([ModelText("Once upon"), never, ModelText(" a time")]))
    bench.call.perform(Generate("gen_1", "resp_1", request(typed("a story"))))
    await bench.settle()
    bench.call.perform(Cancel("gen_1"))
    await bench.settle()
    never.set()
    await bench.settle()
    assert bench.said == [TextDelta("gen_1", "Once upon")]
    assert bench.model.closed == 1


async def test_a_clause_is_spoken_with_its_marks() -> None:
    bench = Bench()
    bench.call.perform(Speak("gen_1", 0, "Hello there.", "marin", 1.0, 24_000))
    await bench.settle()
    assert bench.said == [AudioOut("gen_1", 0, SOUND, ((12, SOUND.ticks),)), ClauseSpoken("gen_1", 0)]


async def test_a_clause_is_spoken_in_the_language_that_the_caller_speaks() -> None:
    bench = Bench()
    session = SessionObject(id="s", model="m")
    heard = replace_struct(session.audio.input, transcription=Transcription(language="de"))
    bench.call.perform(Configure(replace_struct(session, audio=AudioConfig(input=heard))))
    bench.call.perform(Speak("gen_1", 0, "Guten Tag.", "marin", 1.0, 24_000))
    await bench.settle()
    assert [speech.language for speech in bench.voice.spoken] == ["de"]


async def test_what_is_over_is_forgotten() -> None:
    """A call may last an hour, and has hundreds of generations of several clauses each."""
    bench = Bench(model=FakeModel([ModelText("Yes."), ModelStop("stop")]))
    bench.call.perform(Generate("gen_1", "resp_1", request(typed("hello"))))
    for clause in range(2):
        bench.call.perform(Speak("gen_2", clause, "Yes.", "marin", 1.0, 24_000))
    await bench.settle()
    assert bench.call._work == {}


async def test_a_voice_that_dies_fails_its_turn() -> None:
    bench = Bench(voice=FakeVoice(fails=True))
    bench.call.perform(Speak("gen_1", 0, "Hello there.", "marin", 1.0, 24_000))
    await bench.settle()
    assert bench.said == [EngineFailed("gen_1", "tts", "tts_failed", "the voice died")]


async def test_forgetting_and_closing_free_the_recogniser() -> None:
    bench = Bench()
    bench.call.perform(Listen("item_1", ()))
    bench.call.perform(Forget("item_1"))
    bench.call.perform(Listen("item_2", ()))
    await bench.call.close()
    assert [utterance.cancelled for utterance in bench.listener.begun] == [True, True]


async def test_work_that_is_called_off_before_it_begins_leaves_nothing_behind(
    recwarn: pytest.WarningsRecorder,
) -> None:
    bench = Bench()
    bench.call.perform(Listen("item_1", ()))
    bench.call.perform(Prepare("gen_1", "item_1", request(spoken("item_1"))))
    bench.call.perform(Generate("gen_2", "resp_2", request(typed("go"))))
    bench.call.perform(Speak("gen_3", 0, "Hello there.", "marin", 1.0, 24_000))
    bench.call.perform(Cancel("gen_1"))
    await bench.call.close()
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []
    assert bench.said == []


# --- the end of a turn --------------------------------------------------------------------------------------------------


async def test_readings_are_told_while_they_change() -> None:
    bench = Bench()
    bench.call.perform(Listen("item_1", ()))
    bench.listener.begun[0].on_partial("where is")
    assert bench.said == [TranscriptPartial("item_1", "where is")]


@pytest.mark.parametrize(("hears", "frames"), [(False, 0), (True, 2)])
async def test_a_pause_is_judged_by_what_was_said_so_far(hears: bool, frames: int) -> None:
    judge = FakeEndOfTurn(hears)
    bench = Bench(end_of_turn=judge)
    bench.call.perform(Listen("item_1", (Frame(0, SOUND),)))
    bench.call.hear(Frame(SOUND.ticks, SOUND))
    bench.call.perform(JudgeTurn("item_1", 960))
    await bench.settle()
    assert [signal for signal in bench.said if isinstance(signal, TurnCompleteness)] == [
        TurnCompleteness("item_1", 960, 0.25)
    ]
    (said,) = judge.asked
    assert (said.text, said.language, len(said.sound)) == ("where is my order", "en", frames)


async def test_an_acoustic_judge_hears_the_last_eight_seconds() -> None:
    judge = FakeEndOfTurn(hears=True)
    bench = Bench(end_of_turn=judge)
    bench.call.perform(Listen("item_1", ()))
    second = Clip(bytes(48_000), 24_000)
    for n in range(12):
        bench.call.hear(Frame(n * second.ticks, second))
    bench.call.perform(JudgeTurn("item_1", 0))
    await bench.settle()
    assert sum(frame.clip.ticks for frame in judge.asked[0].sound) <= 9 * second.ticks


@pytest.mark.parametrize("judge", [FakeEndOfTurn(), None], ids=["judge", "none"])
async def test_only_what_is_being_said_is_judged(judge: EndOfTurn | None) -> None:
    bench = Bench(end_of_turn=judge)
    bench.call.perform(JudgeTurn("item_1", 0))
    await bench.settle()
    assert bench.said == []


async def test_a_recogniser_that_fails_leaves_the_turn_unjudged() -> None:
    bench = Bench(FakeListener(fails=True), end_of_turn=FakeEndOfTurn())
    bench.call.perform(Listen("item_1", ()))
    bench.call.perform(JudgeTurn("item_1", 0))
    await bench.settle()
    assert bench.said == []


async def test_a_caller_who_lets_the_time_run_out_is_asked_after() -> None:
    bench = Bench(FakeListener(words=""), FakeModel([ModelText("Are you still there?")]), speech=0.0)
    bench.call.perform(Transcribe("item_1", (Frame(0, SOUND),), True))
    bench.call.perform(Generate("gen_1", "resp_1", request(spoken("item_1"))))
    await bench.settle()
    assert bench.model.prompts[0].messages[-1] == {"role": "user", "content": SILENT_CALLER}
    assert TextDelta("gen_1", "Are you still there?") in bench.said
