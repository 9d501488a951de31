"""The session as a state machine of hypothesis: it looks for a sequence of inputs that breaks a law, and shortens what it finds.

After every step the stream keeps to `Invariants` (never two live responses in the default conversation, one `done` for every `created`,
items linked, deltas that join to what is done, audio as long as its bytes), and in the end nothing is left open.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.proofs import Proof
from tests.session.walker import Walk

CHANCE = st.integers(0, 2**32 - 1)


class SessionMachine(RuleBasedStateMachine):
    """Whoever has to do with a session, each doing one thing at a time. `chance` decides what exactly."""

    runs = steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.walk: Walk | None = None

    @initialize(chance=CHANCE)
    def open(self, chance: int) -> None:
        self.walk = Walk(chance)
        type(self).runs += 1

    @rule(chance=CHANCE)
    def client(self, chance: int) -> None:
        self._act("client", chance)

    @rule(chance=CHANCE)
    def another_client_event(self, chance: int) -> None:
        self._act("client", chance)

    @rule(chance=CHANCE)
    def caller(self, chance: int) -> None:
        self._act("caller", chance)

    @rule(chance=CHANCE)
    def engine(self, chance: int) -> None:
        self._act("engine", chance)

    @rule(chance=CHANCE)
    def another_signal(self, chance: int) -> None:
        self._act("engine", chance)

    @rule(chance=CHANCE)
    def time(self, chance: int) -> None:
        self._act("time", chance)

    @rule(chance=CHANCE)
    def stranger(self, chance: int) -> None:
        self._act("stranger", chance)

    @precondition(lambda self: self.walk is not None)
    @rule()
    def everything_comes_to_its_end(self) -> None:
        assert self.walk is not None
        self.walk.settle()

    def _act(self, actor: str, chance: int) -> None:
        assert self.walk is not None
        type(self).steps += 1
        self.walk.rng.seed(chance)
        self.walk.act(actor)


def test_no_sequence_of_inputs_breaks_a_law(proof: Proof) -> None:
    runs = proof.size(reduced=15, full=10_000)
    SessionMachine.runs = SessionMachine.steps = 0
    run_state_machine_as_test(
        SessionMachine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=50,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert SessionMachine.runs >= runs
    assert SessionMachine.steps > 5 * runs
    proof.result(f"no law broken in {SessionMachine.runs:,} runs of {SessionMachine.steps:,} steps")
