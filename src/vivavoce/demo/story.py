"""What the caller wants, line by line: the documents' own call, or another one made from a seed.

Every story asks for the same seven things in the same order; a seed changes the order number, the status, the account, the
wording and the voices. Nothing of it is known to the server but what the client sends in `session.update`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Manner = Literal["ask", "cut in", "hush", "aside"]
"""ask: wait for the answer. cut in: speak while the agent does. hush: ask for silence. aside: speak to somebody else."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something the caller says. `again` is how it is said once more when the agent did not get it."""

    key: str
    text: str
    manner: Manner = "ask"
    again: str | None = None


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what this call is about.

    status_words, news_words: what the agent must have said aloud; each entry is satisfied by any of its spellings.
    """

    caller_voice: str
    agent_voice: str
    order_id: str
    status: str
    status_words: tuple[str, ...]
    account: str
    other_accounts: tuple[str, ...]
    minutes: int
    news: str
    news_words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """A call to be made. `seed` is None for the shipped one."""

    seed: int | None
    cast: Cast
    lines: tuple[Line, ...]


SHIPPED_CAST = Cast(
    caller_voice="rms",
    agent_voice="marin",
    order_id="A1001",
    status="shipped, arriving Tuesday",
    status_words=("shipped", "tuesday"),
    account="Sable Crust Robotics",
    other_accounts=("Blue Heron Foods", "Winter Garden Supply", "Lakeside Instruments"),
    minutes=12,
    news="launched warehouse automation this morning. Expansion is active. Security review is the blocker.",
    news_words=("warehouse automation", "expansion", "security review"),
)

WAKE = "back to demo"


def shipped_story() -> Story:
    """The call whose lines are shipped as sound."""
    return Story(None, SHIPPED_CAST, _lines(SHIPPED_CAST, *(wordings[0] for wordings in _WORDINGS)))


def story_of(seed: int) -> Story:
    """Another call; the same seed makes the same one everywhere."""
    chance = random.Random(f"vivavoce demo {seed}")
    caller, agent = chance.choice(_VOICES)
    status, status_words = chance.choice(_STATUSES)
    news, news_words = chance.choice(_NEWS)
    accounts = _accounts(chance, 4)
    cast = Cast(
        caller_voice=caller,
        agent_voice=agent,
        order_id=f"{chance.choice('ABCDEFGHJKLMNPQRSTUVWXYZ')}{chance.randrange(1000, 10000)}",
        status=status,
        status_words=status_words,
        account=accounts[0],
        other_accounts=accounts[1:],
        minutes=chance.randrange(4, 56),
        news=news,
        news_words=news_words,
    )
    return Story(seed, cast, _lines(cast, *(chance.choice(wordings) for wordings in _WORDINGS)))


def _lines(
    cast: Cast, order: str, both: str, policy: str, cut_in: str, hush: str, aside: str, bye: str
) -> tuple[Line, ...]:
    names = {"order": cast.order_id, "account": cast.account, "wake": WAKE}
    return (
        Line("order", order.format(**names), again=f"I mean order {cast.order_id}."),
        Line(
            "both", both.format(**names), again=f"Check my calendar, and look up {cast.account} in the CRM."
        ),
        Line("policy", policy.format(**names), again="Explain the return policy."),
        Line("cut in", cut_in.format(**names), "cut in", again="How many days does a refund take?"),
        Line("hush", hush.format(**names), "hush"),
        Line("aside", aside.format(**names), "aside"),
        Line("wake", WAKE.capitalize() + ".", again=f"I said, {WAKE}."),
        Line("bye", bye.format(**names)),
    )


_WORDINGS = (
    (
        "Hi, where is my order {order}?",
        "Hello. Can you tell me the status of order {order}?",
        "Hi, I would like to know where order {order} is.",
    ),
    (
        "Please check my calendar and look up {account} in the CRM.",
        "What is next on my calendar, and what is new in the CRM about {account}?",
        "Check the calendar for my next meeting and get {account} from the CRM.",
    ),
    (
        "Please explain your return policy.",
        "Can you explain the return policy to me?",
        "Tell me about your return policy.",
    ),
    (
        "Hold on. How many days does a refund take?",
        "Sorry, just one question. How many days does a refund take?",
        "Wait a moment. How many days does a refund take?",
    ),
    (
        "Please stay quiet until I say {wake}.",
        "Good. Now be quiet until I say {wake}.",
        "I need a minute. Please stay silent until I say {wake}.",
    ),
    (
        "The order can go to the front desk.",
        "Yes, put the calendar on the table. I will look at it later.",
        "No, I have not seen the refund yet. Let us check that tomorrow.",
    ),
    ("Thank you very much. Goodbye.", "Great, thanks a lot. Goodbye.", "Thank you very much. Bye bye."),
)

_VOICES = (
    ("rms", "marin"),
    ("slt", "ash"),
    ("awb", "alloy"),
    ("rms", "coral"),
    ("awb", "marin"),
    ("slt", "cedar"),
)

_STATUSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("shipped, arriving Tuesday", ("shipped", "tuesday")),
    ("packed, leaving the warehouse tomorrow", ("packed", "tomorrow")),
    ("delivered to the front desk on Monday", ("delivered", "monday")),
    ("delayed by the storm, arriving on Friday", ("delayed", "friday")),
    ("waiting for one missing part", ("waiting", "missing part")),
)

_NEWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (SHIPPED_CAST.news, SHIPPED_CAST.news_words),
    (
        "opened a second plant on Monday. The contract is signed. Training is the next step.",
        ("second plant", "contract", "training"),
    ),
    (
        "asked for a new quote yesterday. The budget is approved. Legal review is the blocker.",
        ("quote", "budget", "legal review"),
    ),
    (
        "hired a new buyer last week. The trial ends on Friday. Pricing is the open question.",
        ("buyer", "trial", "pricing"),
    ),
)

_FIRST = (
    "Silver",
    "Copper",
    "Northern",
    "Maple",
    "Granite",
    "Prairie",
    "Summit",
    "Cedar",
    "Falcon",
    "Crystal",
    "Golden",
    "Ivory",
)
_SECOND = (
    "Kettle",
    "Bridge",
    "Lantern",
    "Meadow",
    "Anchor",
    "Canyon",
    "Orchard",
    "Beacon",
    "Harvest",
    "Window",
    "Thunder",
    "Pepper",
)
_THIRD = ("Robotics", "Logistics", "Analytics", "Foods", "Systems", "Energy", "Partners", "Instruments")


def _accounts(chance: random.Random, count: int) -> tuple[str, ...]:
    parts = (chance.sample(words, count) for words in (_FIRST, _SECOND, _THIRD))
    return tuple(" ".join(names) for names in zip(*parts, strict=True))
