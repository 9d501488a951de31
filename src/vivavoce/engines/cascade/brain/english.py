"""Small closed word classes of spoken English: what carries no topic, what kind of action a verb is, what means the same.

These are properties of the language. Nothing here comes from, or is fitted to, a particular set of tools.
"""

from __future__ import annotations

from vivavoce.engines.cascade.brain.words import stem, word_set

STOP = word_set("""a an the this that these those my your his her its our their me you him them us it i we he she they
    is are was were be been being am do does did done have has had having can could will would shall should may might must
    of in on at to from for with by about as into onto over under up down out off and or but if then so than because
    what what's whats who who's whom whose which where where's wheres when when's why how how's
    i'm i'd i'll i've you're it's that's there there's let's let we're they're he's she's don't doesn't didn't isn't
    not no yes yeah yep ok okay please just now here some any all also too very really actually maybe well
    hi hey hello um uh er ah oh like want wants need needs wanna gonna gotta got get gets getting go going
    know tell say said ask give show help hear thing things one ones something anything someone anyone
    could've would've kindly thanks thank currently right again more much many lot still yet ever already
    myself yourself able possible quick quickly moment minute second hold sure fine great good nice only
    next last new current latest recent sorry""")

# Words of API descriptions that say nothing about the topic.
API_WORDS = word_set("""get gets return returns returned returning given provide provides provided specific specified particular use used
    using user users caller callers value values string integer parameter argument function tool call called calling
    id ids identifier input output optional required default format e.g i.e eg ie example examples etc based
    information info detail details via whether when if only list lists object result results current one more
    should must can by name number type field key record records e g i available existing related request requests""")

# What a recogniser writes for phrases that are one word in a tool's description.
PHRASES = {
    ("how", "much"): "price",
    ("money", "back"): "refund",
    ("call", "off"): "cancel",
    ("get", "rid"): "delete",
    ("look", "up"): "lookup",
    ("looking", "up"): "lookup",
    ("pull", "up"): "lookup",
    ("set", "up"): "create",
    ("sign", "up"): "register",
    ("put", "through"): "transfer",
    ("pass", "on"): "transfer",
    ("hand", "off"): "transfer",
    ("hand", "over"): "transfer",
    ("speak", "to"): "transfer",
    ("speak", "with"): "transfer",
    ("talk", "to"): "transfer",
    ("talk", "with"): "transfer",
    ("write", "to"): "send",
    ("push", "back"): "postpone",
    ("turn", "up"): "increase",
    ("turn", "down"): "lower",
    ("fill", "in"): "submit",
}

ACTIONS: dict[str, frozenset[str]] = {
    kind: frozenset(stem(word) for word in words.split())
    for kind, words in {
        "read": """check look lookup find get show tell what what's whats where where's wheres when when's which who who's
            how how's read list search fetch track view query retrieve inquire is are do does did any locate describe
            calculate compute convert estimate quote compare verify validate count summarize""",
        "create": """book schedule create add make reserve place open register buy file submit log start arrange put order
            purchase raise report insert generate enroll invite record save write send dispatch""",
        "cancel": "cancel delete remove drop clear close end stop unsubscribe abort dismiss discard",
        "change": """update change modify edit move reschedule rebook set adjust switch turn increase lower dim postpone
            rename shift correct replace extend renew upgrade raise enable disable activate deactivate""",
        "send": "send email text notify forward message mail remind share",
        "transfer": "transfer handoff handover connect escalate redirect route",
    }.items()
}
WRITES = frozenset({"create", "cancel", "change", "send", "transfer"})

_ALIKE = """
package parcel shipment delivery courier
ship deliver arrive send dispatch
weather forecast temperature rain sunny snow umbrella wind storm
appointment booking reservation visit
calendar schedule agenda meeting event appointment diary
price cost rate fee charge quote
balance funds money
refund reimbursement
person human agent representative operator advisor staff
light lamp lighting
thermostat heating heat temperature warm cooler
doctor physician practitioner clinician
room suite
issue problem bug incident trouble complaint fault
invoice bill charge payment
customer client account contact company lead
car vehicle taxi ride cab
flight fly plane airline
buy purchase order
status progress state
delete cancel remove
hours opening
find search lookup
phone telephone mobile
medicine prescription medication drug pharmacy
transaction payment purchase
begin start
song music track tune
show concert event gig
film movie
article document page manual knowledge
employee colleague staff coworker
stock inventory availability
mail email
reminder remind alarm
""".strip().splitlines()

SYNONYMS: dict[str, dict[str, float]] = {}
"""For a stem, the stems that may mean the same, with how likely: neighbours in a line above are the closest."""
for _line in _ALIKE:
    _stems = [stem(word) for word in _line.split()]
    for _at, _word in enumerate(_stems):
        for _place, _other in enumerate(_stems):
            if _other != _word:
                _near = 0.8 - 0.05 * min(abs(_place - _at), 4)
                _known = SYNONYMS.setdefault(_word, {})
                _known[_other] = max(_known.get(_other, 0.0), _near)


# Words that are values, or parts of them, and so never count as a strange topic.
VALUE_WORDS = word_set(
    """zero oh o one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million half quarter past point
    double triple dash hyphen couple dozen first second third fourth fifth sixth seventh eighth ninth tenth twentieth
    thirtieth monday tuesday wednesday thursday friday saturday sunday january february march april june july august
    september october november december today tonight tomorrow yesterday week weekend month day morning afternoon evening
    noon midnight am pm o'clock dollars dollar euros euro pounds cents percent degrees minutes minute hours hour a b c d e f g
    h i j k l m n p q r s t u v w x y z number"""
)

# What a question word asks for, as words a description of a tool may have.
QUESTIONS: dict[str, frozenset[str]] = {
    word: frozenset(stem(one) for one in words.split())
    for word, words in {
        "where": "track location locate position status find nearest whereabouts",
        "when": "time date schedule upcoming next calendar arrival departure hours",
        "who": "person contact name directory staff",
        "much": "price cost rate balance amount",
        "many": "count number stock inventory quantity",
    }.items()
}

# Words after which somebody's own words follow, whatever they are about.
ANNOUNCES = word_set("saying says that reads because asking telling since")

NEGATIONS = word_set("no not don't without never nothing isn't doesn't except skip dont")
PRONOUNS = word_set("it them they that this those these him her same there")
POLITE = word_set("please thanks thank you now then today's again for me okay ok right")
FILLERS = word_set("uh um er erm ah oh well so okay ok yes yeah sure hmm like please")
HONORIFICS = word_set("miss mister missis ms sir madam")
NAME_JOINTS = word_set("of and the de van von la le du for")


def actions_of(words: list[str]) -> frozenset[str]:
    """Which kinds of action these words name."""
    stems = {stem(word) for word in words}
    return frozenset(kind for kind, verbs in ACTIONS.items() if stems & verbs)


def listed(parts: list[str], joint: str = "and") -> str:
    """a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {joint} {parts[-1]}"


_SMALL_TITLE_WORDS = word_set("of and the in on at for de van von la le du")


def titled(text: str) -> str:
    """A spoken name written as one: harbour inn of york -> Harbour Inn of York. Written capitals stay."""
    words = text.split()
    if any(letter.isupper() for letter in text):
        return text
    return " ".join(
        word if place and word in _SMALL_TITLE_WORDS else word[:1].upper() + word[1:]
        for place, word in enumerate(words)
    )
