"""What `vivavoce doctor` looks at: each check says what it found and, where something is wrong, what to do about it.

Nothing is changed, nothing is sent but a question for the list of models to the configured endpoints, and no key is shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from vivavoce.call.settings import Settings
from vivavoce.server.checks import access, endpoints, machine, stages
from vivavoce.server.checks.finding import Check, Finding


def look(settings: Settings) -> Iterator[Finding]:
    """Every finding, in the order of a start."""
    for check in CHECKS:
        try:
            yield from check(settings)
        except Exception as broken:  # One check that breaks must not hide what the others find.
            name = check.__name__.replace("_", " ")
            yield Finding(name, "failed", f"{type(broken).__name__}: {broken}", "please report this")


CHECKS: tuple[Check, ...] = (
    machine.python,
    machine.data_folder,
    machine.port,
    access.keys,
    access.certificate,
    machine.limits,
    stages.engine,
    stages.voice_activity,
    stages.speech_to_text,
    stages.text_to_speech,
    endpoints.endpoints,
    endpoints.upstream,
    machine.sound_devices,
)
