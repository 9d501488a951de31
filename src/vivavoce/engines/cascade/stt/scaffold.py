"""Plain service talk: the sentences around whatever a session is about. Phrases are separated by bars.

General English for any caller of any line; nothing in here may come from a particular session, test or demonstration.
"""

from __future__ import annotations

from vivavoce.engines.cascade.stt.spelling import DIGIT, TENS, spoken

Template = tuple[str, ...]


def _phrases(text: str) -> tuple[Template, ...]:
    return tuple(tuple(phrase.split()) for phrase in text.replace("\n", "").split("|"))


TALK = tuple(
    tuple(spoken(" ".join(phrase)))
    for phrase in _phrases("""
hello|hi|hi there|hello there|good morning|good afternoon|good evening|hey|goodbye|bye|bye bye|thank you|
thanks|thank you very much|thanks a lot|thank you goodbye|thanks bye|that is all|that's all|
that's all thank you|that will be all|that's it|nothing else|yes|yes please|yeah|yep|sure|okay|all right|
right|that's right|that is correct|correct|exactly|please do|go ahead|yes that's right|no|no thanks|
no thank you|nope|that's wrong|that is not right|not really|no that's not it|no i said|never mind|
forget it|stop|wait|hold on|one moment|just a moment|one second|hang on|please wait|be quiet|quiet please|
stop talking|let me think|continue|go on|carry on|please continue|repeat that|say that again|
can you repeat that|could you say that again please|please repeat that|pardon|sorry|excuse me|i'm sorry|
what did you say|i did not hear you|i didn't get that|what|why|how|when|where|who|help|can you help me|
i need help|i need some help|could you help me please|i have a question|i have a problem|
i have another question|who are you|what are you|what is your name|what can you do|what can i ask|
how does this work|are you there|can you hear me|how are you|fine thanks|i'm fine|my name is|this is|
i am calling about|i'm calling because|i would like to know|i want to speak to a person|
can i talk to someone|let me talk to an agent|talk to a human please|i would like a refund|today|tomorrow|
yesterday|tonight|this morning|this afternoon|this evening|this week|next week|right now|now|later|
as soon as possible|monday|tuesday|wednesday|thursday|friday|saturday|sunday|on monday|on tuesday|
on wednesday|on thursday|on friday|next monday|january|february|march|april|may|june|july|august|
september|october|november|december first|second|third|fourth|fifth|the first|the second|the last one|
the next one|the other one|both|all of them|none of them
""")
)
"""What is said whatever the matter."""

ANSWERS = _phrases(
    "yes|no|yes please|no thanks|no thank you|okay|thank you|thanks|stop|hello|goodbye|sure|please"
)
"""What is often all of a turn."""

AMOUNTS = (
    (DIGIT,), (TENS,), (TENS, DIGIT), (DIGIT, "hundred"), (DIGIT, "hundred", TENS), (DIGIT, "thousand"),
    ("at", DIGIT), ("at", DIGIT, "o'clock"), ("at", TENS), ("at", DIGIT, TENS), (DIGIT, "a.m."), (DIGIT, "p.m."),
    ("in", TENS, "minutes"), ("in", DIGIT, "minutes"), ("in", DIGIT, "hours"), ("for", DIGIT), ("for", DIGIT, "people"),
    (DIGIT, "days"), (DIGIT, "dollars"), (TENS, "dollars"), (TENS, DIGIT, "percent"), (DIGIT, "of", "them"),
)  # fmt: skip
"""Numbers, times and amounts."""

ABOUT = _phrases("""
what is D {n}|what's D {n}|what are D {n}|what about D {n}|how about D {n}|and D {n}|D {n}|D {n} please|
is D {n}|can you check D {n}|could you check D {n}|please check D {n}|check D {n}|can you look up D {n}|
look up D {n}|please look up D {n}|can you tell me D {n}|could you tell me D {n}|tell me D {n}|
can you tell me about D {n}|tell me about D {n}|tell me more about D {n}|show me D {n}|give me D {n}|
read me D {n}|find D {n}|can you find D {n}|can you give me D {n}|could you give me D {n}|i want D {n}|
i need D {n}|i would like D {n}|i'd like D {n}|i am looking for D {n}|i'm looking for D {n}|i have D {n}|
i have a question about D {n}|i am calling about D {n}|i'm calling about D {n}|it is about D {n}|
it's about D {n}|i want to know D {n}|i would like to know D {n}|i'd like to know about D {n}|
do you have D {n}|do you know D {n}|do i have D {n}|where is D {n}|where's D {n}|when is D {n}|
when's D {n}|when will D {n} be here|how is D {n}|is there D {n}|are there D {n}|what is on D {n}|
what's on D {n}|what is in D {n}|what do i have on D {n}|what does D {n} say|have a look at D {n}|
what is next on D {n}|what's new in D {n}|in D {n}|on D {n}|from D {n}|to D {n}|for D {n}|with D {n}|
of D {n}|about D {n}|can you update D {n}|update D {n}|change D {n}|cancel D {n}|i want to cancel D {n}|
i want to change D {n}|i want to return D {n}|can i get D {n}|could i get D {n}|can i have D {n}|
could i have D {n}|may i have D {n}|i'll have D {n}|i'll take D {n}|let me have D {n}|D {n} today|
D {n} tomorrow|D {n} now|D {n} for me|D {n} again|is D {n} ready|has D {n} arrived|did D {n} go through
""")
"""{n} is what a tool is about: "order status". D stands for a determiner or none."""

DO = _phrases("""
{v}|please {v}|can you {v}|could you {v}|can you please {v}|could you please {v}|would you {v}|
will you {v}|and {v}|then {v}|i want to {v}|i need to {v}|i would like to {v}|i'd like to {v}|
i want you to {v}|i need you to {v}|let's {v}|help me {v}
""")
"""{v} is what a tool does: "look up the status of an order"."""

CODED = _phrases("""
D {n} {c}|D {n} {c} please|D {n} number {c}|D {n} number is {c}|D {n} is {c}|it is {c}|it's {c}|
that is {c}|that's {c}|{c}|{c} please|yes {c}|no {c}|the number is {c}|my number is {c}|for D {n} {c}|
of D {n} {c}|about D {n} {c}|is D {n} {c}|with D {n} {c}|on D {n} {c}|where is D {n} {c}|
what is D {n} {c}|check D {n} {c}|look up D {n} {c}|find D {n} {c}|cancel D {n} {c}|return D {n} {c}|
change D {n} {c}|when will D {n} {c} arrive|has D {n} {c} been sent|is D {n} {c} ready|
i am calling about D {n} {c}|i have a question about D {n} {c}|D {n} {c} today|D {n} {c} for me|
D {n} {c} and|{c} and|{c} for me|{c} i think|{c} thank you|{c} thanks
""")
"""{c} is a spelled identifier, {n} what it identifies: "order"."""

NUMBERS = (
    (DIGIT,), (TENS,), (TENS, DIGIT), (DIGIT, DIGIT), (DIGIT, TENS), (DIGIT, TENS, DIGIT), (DIGIT, DIGIT, DIGIT),
    (DIGIT, "hundred"), (DIGIT, "hundred", TENS), (DIGIT, "hundred", "and", TENS), (DIGIT, "thousand"),
)  # fmt: skip
"""Whole numbers as they are said."""

COUNTED = _phrases("""
{n} {c}|{n} {c} please|{c} {n}|the {n} is {c}|in {n} {c}|to {n} {c}|for {n} {c}|from {n} {c}|at {n} {c}|
number {c}|it is {c}|it's {c}|{n} number {c}|make it {c}
""")
"""{c} is a number, {n} what it counts or names: "room"."""

PLACED = _phrases("""
D {n} in {p}|what is D {n} in {p}|what's D {n} in {p}|how is D {n} in {p}|how's D {n} in {p}|
what is D {n} like in {p}|what's D {n} like in {p}|tell me D {n} in {p}|can you tell me D {n} in {p}|
check D {n} in {p}|D {n} in {p} please|D {n} in {p} today|D {n} in {p} tomorrow|D {n} for {p}|
what is D {n} for {p}|what about D {n} in {p}|how about D {n} in {p}|and D {n} in {p}|
in {p}|and in {p}|what about {p}|how about {p}|and {p}|{p}|{p} please|i am in {p}|i'm in {p}|
to {p}|from {p}|from {p} to {p}|i want to go to {p}|i am going to {p}|i'm in {p} now|what is it like in {p}
""")
"""{p} is a place, {n} what is asked about it: "weather"."""

NAMED = _phrases("""
{w}|{w} please|about {w}|for {w}|with {w}|from {w}|to {w}|at {w}|of {w}|in {w}|and {w}|is {w}|it is {w}|
it's {w}|the {w}|tell me about {w}|what about {w}|what do you know about {w}|look up {w}|find {w}|
call {w}|show me {w}|i mean {w}|i said {w}
""")
"""{w} is a name."""

DETERMINERS = ((), (), ("the",), ("my",), ("my",), ("a",), ("an",), ("your",), ("this",), ("any",))
"""What may stand for D, as often as it is listed."""
