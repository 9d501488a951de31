"""Ids of the documented shapes: `item_` + 21 base62 characters, `call_` + 16 (protocol reference, section 2).

The machine may not draw random numbers (house law 3), so a session's ids come from one seed that is handed
in: a fixed part derived from the seed, then a counter that is mixed until neighbours look unalike. The same
seed gives the same ids, which lets a recorded call be replayed and compared exactly.
"""

import hashlib
from math import gcd
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = [a + b for a in _ALPHABET for b in _ALPHABET]
_PAIR_COUNT: Final = len(_PAIRS)
_COUNTER_CHARS: Final = 10
_COUNTER_SPACE: Final = _PAIR_COUNT ** (_COUNTER_CHARS // 2)
# Any multiplier without a common factor with the space makes the mixing a bijection, so no id can come twice.
_MULTIPLIER: Final = 518_726_395_213_876_543
assert gcd(_MULTIPLIER, _COUNTER_SPACE) == 1

_LENGTHS: Final = {"call": 16}
_USUAL_LENGTH: Final = 21


def base62(number: int, length: int) -> str:
    """The lowest `length` digits of a number in base 62, the lowest first."""
    chars = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        chars.append(_ALPHABET[digit])
    return "".join(chars)


class IdSource:
    """A session's ids. Deterministic; no two alike within a session; different seeds differ."""

    __slots__ = ("_count", "_fixed", "_heads", "_offset")

    def __init__(self, seed: str) -> None:
        digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()
        self._offset = int.from_bytes(digest[:8], "big") % _COUNTER_SPACE
        self._fixed = base62(int.from_bytes(digest[8:], "big"), _USUAL_LENGTH - _COUNTER_CHARS)
        self._count = 0
        self._heads: dict[str, str] = {}

    def new(self, kind: str) -> str:
        """The next id of a kind: `event`, `sess`, `conv`, `item`, `resp` or `call`."""
        head = self._heads.get(kind) or self._head(kind)
        mixed = (self._count * _MULTIPLIER + self._offset) % _COUNTER_SPACE
        self._count += 1
        mixed, a = divmod(mixed, _PAIR_COUNT)
        mixed, b = divmod(mixed, _PAIR_COUNT)
        mixed, c = divmod(mixed, _PAIR_COUNT)
        e, d = divmod(mixed, _PAIR_COUNT)
        return f"{head}{_PAIRS[a]}{_PAIRS[b]}{_PAIRS[c]}{_PAIRS[d]}{_PAIRS[e]}"

    def _head(self, kind: str) -> str:
        fixed_length = _LENGTHS.get(kind, _USUAL_LENGTH) - _COUNTER_CHARS
        head = self._heads[kind] = f"{kind}_{self._fixed[:fixed_length]}"
        return head
