"""The simulated caller: speaks its lines into a real session, listens, runs the tools, and cuts in.

Everything goes through the unmodified openai-python client and the wire: 20 ms of microphone at a time, playback at the speed
of sound, `conversation.item.truncate` at what was heard.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vivavoce.demo.agent import session_of
from vivavoce.demo.clock import CallClock
from vivavoce.demo.desk import ToolDesk
from vivavoce.demo.ear import Ear
from vivavoce.demo.lines import SpokenLine
from vivavoce.demo.microphone import CHUNK_MS, Microphone
from vivavoce.demo.office import Office
from vivavoce.demo.record import ToolRun
from vivavoce.demo.spoken import SaidLine
from vivavoce.demo.story import Line, Story
from vivavoce.demo.wants import line_is_lost
from vivavoce.demo.wire import WireLog

if TYPE_CHECKING:
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

BEFORE_FIRST_LINE_MS = 1800
"""Time of the world, as between a ring and the first word: the server reads its instructions meanwhile."""
BETWEEN_LINES_MS = 450
"""A caller takes a breath before the next line."""
CUT_IN_AFTER_MS = 3600
"""How much of the long answer the caller hears before it cuts in."""
PATIENCE_MS = 8000
"""Without a sound from the agent for so long (of the world), a caller stops waiting for an answer."""
SILENCE_MS = 2200
"""How long the caller listens for words that must not come."""
LAST_LISTEN_MS = 600
LONGEST_ANSWER_MS = 30_000
STALLED_MS = 200
"""Behind the clock by so much media time, a caller who lives faster than it lets it stand still."""
CONFIGURED_S = 10.0

Notify = Callable[[], None]


class Caller:
    """One call from the first sample to the last."""

    def __init__(
        self,
        connection: AsyncRealtimeConnection,
        story: Story,
        lines: Mapping[str, SpokenLine],
        clock: CallClock,
        on_tick: Notify = lambda: None,
    ) -> None:
        self.story = story
        self.clock = clock
        self.microphone = Microphone()
        self.wire = WireLog()
        self.desk = ToolDesk(Office(story.cast, clock), clock, self.send, self._tool_answered)
        self.ear = Ear(clock, self.desk, self.send)
        self.said: list[SaidLine] = []
        self.late_ms = 0
        """How late, in time of the world, a chunk of the microphone was at worst."""
        self._lines = lines
        self._connection = connection
        self._on_tick = on_tick
        self._began = asyncio.Event()

    async def run(self) -> None:
        """Make the call. Returns when the caller has hung up; a server that hangs up first is an error of the record."""
        from openai import OpenAIError
        from websockets.exceptions import ConnectionClosed

        self.clock.start()
        telling = asyncio.create_task(self._tell())
        tasks = {telling, asyncio.create_task(self._listen()), asyncio.create_task(self._hold_the_line())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if telling not in done:
                self.ear.errors.append("the server hung up")
        except (ConnectionClosed, OpenAIError) as error:
            self.ear.errors.append(f"the connection was lost: {error}")
        except TimeoutError:
            self.ear.errors.append("the server never confirmed the session's settings")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.ear.close()
            await self.desk.close()

    async def send(self, event: dict[str, Any]) -> None:
        """Send an event as the client would."""
        self.wire.sent(event, self.clock.now_ms())
        await self._connection.send(event)  # type: ignore[arg-type]  # plain dicts are what the client turns events into

    # --- listening --------------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for event in self._connection:
            at_ms = self.clock.now_ms()
            self.wire.received(event.to_dict(), at_ms)
            self.ear.speaker.advance(at_ms)
            await self.ear.hear(event)

    async def _hold_the_line(self) -> None:
        """Configure the session, then the microphone: a chunk when its 20 ms are over, as a sound card delivers it."""
        await self.send({"type": "session.update", "session": session_of(self.story.cast)})
        await asyncio.wait_for(self.ear.configured.wait(), CONFIGURED_S)
        self.clock.start()
        self._began.set()
        while True:
            await self.clock.until(self.microphone.position_ms + CHUNK_MS)
            self._look_at_the_clock()
            chunk = base64.b64encode(self.microphone.next_chunk()).decode("ascii")
            self.ear.speaker.advance(self.microphone.position_ms)
            await self.send({"type": "input_audio_buffer.append", "audio": chunk})
            self._on_tick()

    def _look_at_the_clock(self) -> None:
        """A machine that is too slow shows here first. At its own speed the call goes on as with a sound card that catches up."""
        late_ms = self.clock.late_ms(self.microphone.position_ms + CHUNK_MS)
        self.late_ms = max(self.late_ms, int(late_ms / self.clock.speed))
        if self.clock.speed > 1 and late_ms > STALLED_MS:
            self.clock.stand_still(late_ms)

    def _tool_answered(self, run: ToolRun) -> None:
        self._on_tick()

    # --- telling ----------------------------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        await self._began.wait()
        await self.clock.sleep(self.clock.world(BEFORE_FIRST_LINE_MS))
        for line in self.story.lines:
            await self._take(line)
        await self.clock.sleep(LAST_LISTEN_MS)

    async def _take(self, line: Line) -> None:
        """One line, and once more when the agent did not get it."""
        if line.manner == "cut in":
            await self._wait_for_words_to_cut()
        await self._say(line, line.text)
        if line.manner in ("hush", "aside"):
            await self._listen_for_silence()
            return
        await self._hear_out()
        if line.again and self._is_lost(line):
            await self._say(line, line.again)
            await self._hear_out()

    def _is_lost(self, line: Line) -> bool:
        since_ms = self.said[-1].start_ms
        runs = [run for run in self.desk.runs if run.called_ms >= since_ms]
        return line_is_lost(line, self.story.cast, runs, " ".join(track.text for track in self.ear.answers()))

    async def _say(self, line: Line, text: str) -> None:
        if line.manner != "cut in":
            await self.clock.sleep(BETWEEN_LINES_MS)
        spoken = self._lines[text]
        start_ms, end_ms = self.microphone.say(spoken.clip)
        self.said.append(SaidLine.of(line, spoken, start_ms))
        self.ear.line_began(start_ms)
        await self.clock.until(end_ms)

    async def _wait_for_words_to_cut(self) -> None:
        """Until enough of the long answer was heard; it may never come."""
        give_up_ms = self.clock.now_ms() + self.clock.world(PATIENCE_MS)
        while self.clock.now_ms() < give_up_ms:
            if self._heard_of_current(CUT_IN_AFTER_MS):
                return
            await self.clock.sleep(CHUNK_MS)

    async def _hear_out(self) -> None:
        """Until the agent has answered and all of it was heard, or it keeps silent for too long.

        What the caller will cut into is not waited for: that line's own waiting does it.
        """
        cut_next = self._next_manner() == "cut in"
        give_up_ms = self.clock.now_ms() + self.clock.world(LONGEST_ANSWER_MS)
        quiet_since_ms = self.clock.now_ms()
        while self.clock.now_ms() < give_up_ms:
            await self.clock.sleep(CHUNK_MS)
            if cut_next and self._heard_of_current(CUT_IN_AFTER_MS // 2):
                return
            if not self.ear.idle:
                quiet_since_ms = self.clock.now_ms()
            elif self.ear.answers() or self.clock.now_ms() > quiet_since_ms + self.clock.world(PATIENCE_MS):
                return

    async def _listen_for_silence(self) -> None:
        """Long enough to be sure; an acknowledgement that comes all the same is heard out."""
        give_up_ms = self.clock.now_ms() + self.clock.world(LONGEST_ANSWER_MS)
        quiet_since_ms = self.clock.now_ms()
        while self.clock.now_ms() < min(give_up_ms, quiet_since_ms + SILENCE_MS):
            await self.clock.sleep(CHUNK_MS)
            if not self.ear.idle:
                quiet_since_ms = self.clock.now_ms()

    def _heard_of_current(self, least_ms: int) -> bool:
        """Whether so much of what is being played was heard."""
        track = self.ear.speaker.playing
        return track is not None and track.heard_ms >= least_ms

    def _next_manner(self) -> str | None:
        keys = [line.key for line in self.story.lines]
        place = keys.index(self.said[-1].key) + 1
        return self.story.lines[place].manner if place < len(keys) else None
