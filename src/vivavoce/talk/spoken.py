"""Spoken turns by microphone and loudspeaker."""

from __future__ import annotations

import asyncio
import base64

from vivavoce.talk.captions import Captions
from vivavoce.talk.connection import Connection
from vivavoce.talk.devices import Devices
from vivavoce.talk.dialogue import Dialogue
from vivavoce.talk.keyboard import Lines
from vivavoce.talk.loudspeaker import Loudspeaker
from vivavoce.talk.outcome import Exit


class Spoken:
    """The caller at the microphone. With `stdin`, Enter opens it and Enter closes it (push-to-talk)."""

    def __init__(self, devices: Devices, speaker: Loudspeaker, captions: Captions, stdin: int | None) -> None:
        self._devices = devices
        self._speaker = speaker
        self._captions = captions
        self._stdin = stdin
        self._open = stdin is None

    async def converse(self, dialogue: Dialogue, connection: Connection) -> Exit:
        """Talk until the input ends (push-to-talk) or the call is hung up."""
        with self._devices.playing(self._speaker):
            if self._stdin is None:
                self._captions.note("speak; Ctrl-C ends the call")
                await self._listen(connection)
                return Exit.ENDED
            self._captions.note("Enter opens the microphone, Enter again sends; Ctrl-D ends the call")
            listening = asyncio.create_task(self._listen(connection))
            pressing = asyncio.create_task(self._press(dialogue, self._stdin))
            try:
                await asyncio.wait({listening, pressing}, return_when=asyncio.FIRST_COMPLETED)
                if not pressing.done():
                    listening.result()
                pressing.result()
                return Exit.ENDED
            finally:
                listening.cancel()
                pressing.cancel()
                await asyncio.gather(listening, pressing, return_exceptions=True)

    async def _listen(self, connection: Connection) -> None:
        async with self._devices.listening() as pieces:
            async for pcm in pieces:
                if self._open:
                    audio = base64.b64encode(pcm).decode()
                    await connection.send({"type": "input_audio_buffer.append", "audio": audio})

    async def _press(self, dialogue: Dialogue, stdin: int) -> None:
        async for _ in Lines(stdin):
            if not self._open:
                await dialogue.press()
                self._open = True
                self._captions.note("listening ...")
            else:
                self._open = False
                await dialogue.release()
        await dialogue.floor.until_idle()
