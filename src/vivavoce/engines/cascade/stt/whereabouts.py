"""Where in the world: names that callers say when a tool asks for a city, a country or another place.

A trigram model that knows "weather in" and no town at all would rather hear anything else than one. General names only; those of a
session's own (its branches, its rooms) stand in its texts. A class has single words, so there is no New York here.
"""

from __future__ import annotations

import re

SOMEWHERE = "<somewhere>"
"""The class of all these names."""

_ASKED = re.compile(
    r"(?:^|[_\W])(?:city|cities|town|location|country|place|destination|origin|region|airport|departure|arrival|whereabouts)(?:$|[_\W])",
    re.IGNORECASE,
)

_NAMES = """
    london paris berlin tokyo rome madrid vienna dublin lisbon amsterdam brussels copenhagen stockholm oslo
    helsinki warsaw prague budapest athens moscow istanbul zurich geneva munich hamburg frankfurt cologne
    stuttgart milan venice naples florence barcelona seville edinburgh glasgow manchester liverpool birmingham
    bristol oxford cambridge belfast cardiff leeds lyon boston chicago seattle dallas houston austin denver
    miami atlanta phoenix detroit philadelphia baltimore washington portland orlando nashville memphis cleveland
    pittsburgh minneapolis sacramento honolulu toronto montreal vancouver ottawa calgary sydney melbourne brisbane
    perth auckland wellington singapore bangkok beijing shanghai seoul osaka kyoto taipei manila jakarta delhi
    mumbai calcutta karachi dubai cairo nairobi johannesburg lagos casablanca jerusalem baghdad tehran lima bogota
    santiago caracas havana england scotland ireland wales britain france germany spain italy portugal austria
    switzerland belgium holland denmark sweden norway finland poland hungary greece turkey russia ukraine america
    canada mexico brazil argentina chile peru colombia australia india china japan korea thailand vietnam
    indonesia egypt israel kenya nigeria morocco texas florida california arizona nevada oregon colorado georgia
    ohio michigan virginia alaska hawaii europe africa asia
"""
NAMES = tuple(_NAMES.split())


def asks_where(name: str) -> bool:
    """Whether a tool's parameter of this name is a place. Addresses and branches are not: nobody can list those."""
    return _ASKED.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)) is not None
