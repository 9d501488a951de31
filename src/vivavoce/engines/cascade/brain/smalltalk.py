"""Greetings, thanks, farewells and questions about the brain itself: utterances that are nothing but that."""

from __future__ import annotations

import re

from vivavoce.engines.cascade.brain.conversation import Conversation
from vivavoce.engines.cascade.brain.english import STOP
from vivavoce.engines.cascade.brain.guidance import greeting
from vivavoce.engines.cascade.brain.tools import Tool
from vivavoce.engines.cascade.brain.wording import NO_MODEL, abilities, role
from vivavoce.engines.cascade.brain.words import tokenize, word_set

_GREETINGS = word_set(
    "hi hello hey hiya greetings howdy morning afternoon evening good there day everyone again"
)
_NOISE = word_set("uh um er erm hmm mm ah oh huh the a an and of in to it")
_AGREES = word_set("yes yeah yep sure ok okay alright no nope please")
_THANKS = re.compile(r"\b(?:thanks|thank you|thank|cheers|much appreciated|great job|well done)\b")
_FAREWELL = re.compile(
    r"\b(?:goodbye|good bye|bye|see you|have a (?:good|nice|great|lovely) (?:day|one|evening|night)|talk to you later"
    r"|good night|that's all|that is all|that will be all|that'll be all|hang up)\b"
)
_WHO = re.compile(
    r"\b(?:who (?:are|r) you|what are you|who am i (?:talking|speaking) (?:to|with)|what is your name|what's your name"
    r"|are you (?:a |an )?(?:robot|bot|human|person|machine|ai|real|computer)|introduce yourself)\b"
)
_WHAT = re.compile(
    r"\b(?:what (?:can|could|do) you (?:do|help)|what else can you do|how can you help|what are you able|help me out|"
    r"what (?:can|could|should) i (?:ask|say|do)|your (?:abilities|capabilities)|what are my options)\b|^(?:please )?help(?: me)?$"
    r"|^(?:i need|can you|could you|i need some)(?: some)? help(?: me)?$"
)
_REPEAT = re.compile(
    r"\b(?:(?:can|could|would|will) you )?(?:please )?(?:repeat|say) (?:that|it|this|yourself)(?: (?:again|once more|one more time|please))*$"
    r"|^(?:pardon|sorry what|come again|what did you (?:just )?say|what was that|say again|once more|again please|repeat|excuse me)\b"
    r"|\bone more time\b|\bdidn't (?:catch|hear|get) that\b|\brepeat that\b"
)
_CANCEL = re.compile(
    r"^(?:no |please |ok |okay |oh )*(?:stop|never ?mind|forget (?:it|that|about it)|cancel that|cancel|nothing|leave it|skip it|"
    r"be quiet|shut up|that's enough|enough|abort|scratch that|don't bother|drop it)"
    r"(?: (?:please|it|that|then|now|thanks|thank you|talking|stop))*$"
)
_HOW_ARE_YOU = re.compile(r"\bhow (?:are|r) you\b|\bhow's it going\b|\bhow do you do\b")
_SAY_HELLO = re.compile(
    r"^(?:please |just )?(?:say|tell (?:me|us)) (?:hello|hi|something|a greeting|good (?:morning|evening))\b"
)


def cancels(line: str) -> bool:
    """ "stop", "never mind": the caller wants nothing more of this."""
    return _CANCEL.search(line) is not None


def reply(words: list[str], talk: Conversation, tools: tuple[Tool, ...]) -> str | None:
    """An answer when the utterance is small talk and nothing more; None otherwise."""
    line = " ".join(words)
    if not words:
        return None
    if all(word in _NOISE for word in words):
        return ""  # a breath or a cough, as a recogniser writes them
    if cancels(line):
        return "Okay."
    if all(word in _AGREES for word in words):
        return "What would you like me to do?" if words[0] in ("yes", "yeah", "yep", "sure") else "All right."
    if _REPEAT.search(line) and len(words) <= 9:
        return _again(talk)
    if _WHO.search(line) and len(words) <= 10:
        return f"{role(talk.instructions)} {NO_MODEL} {abilities(tools)}"
    if _WHAT.search(line) and len(words) <= 10:
        return abilities(tools)
    if _FAREWELL.search(line) and len(words) <= 9:
        return "You are welcome. Goodbye." if _THANKS.search(line) else "Goodbye."
    if _HOW_ARE_YOU.search(line) and len(words) <= 8:
        return "I am well, thank you. How can I help you?"
    if _THANKS.search(line) and len(words) <= 7:
        return "You are welcome."
    if all(word in _GREETINGS for word in words) or _SAY_HELLO.search(line):
        return hello(talk)
    return None


def hello(talk: Conversation) -> str:
    """The greeting the instructions ask for, the first time; a short one later."""
    wanted = greeting(talk.instructions)
    if wanted and not talk.answers:
        return wanted
    return "Hello! How can I help you?" if not talk.answers else "Hello. What can I do for you?"


def _again(talk: Conversation) -> str:
    return talk.answers[-1].text if talk.answers else "I have not said anything yet."


_LEAD = re.compile(
    r"^(?:(?:hi|hello|hey|good (?:morning|afternoon|evening)|thanks|thank you|great|perfect|okay|ok|alright|yes|so|well|oh|um|uh"
    r"|excuse me|sorry(?=[\s,.]+(?:just|one|a|wait|hold|i have|to)\b)|wait(?: a (?:moment|minute|second))?|hold on|hang on|one moment|by the way|actually|listen"
    r"|(?:i have )?(?:just )?(?:a|one)(?: more| last| quick| other)? (?:question|thing)|quick question|just a (?:moment|minute|second))"
    r"(?: there)?[\s,.!:]+)+",
    re.I,
)


def without_greeting(text: str) -> str:
    """The utterance without what only opens it: "hi there", "sorry, just one question". All of it when nothing is left."""
    shorter = _LEAD.sub("", text.strip())
    meaning = any(token.text not in STOP for token in tokenize(shorter))
    return shorter if meaning else text
