"""The unified social credit code (GB 32100-2015): brought into one form, and looked over.

Findings are warnings. Codes of real companies exist that fail the check character, so the secretariat confirms and
nothing here refuses.
"""

from __future__ import annotations

import unicodedata

#: 31 symbols: digits and capitals without I, O, S, V, Z, which look like digits.
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
LENGTH = 18

#: Warning codes, in the order in which they are reported.
WRONG_LENGTH = "credit_code.length"
WRONG_SYMBOL = "credit_code.symbol"
WRONG_CHECK = "credit_code.check_character"
WRONG_ORGANISATION_PART = "credit_code.organisation_part"

#: Where the organisation code of GB 11714 sits: positions 9 to 17, its own check character last.
_ORGANISATION_PART = slice(8, 17)
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_PASSES_MAX = 5
_DASHES = frozenset("-‐‑‒–—―−_·")


def normalise(text: str) -> str:
    """Half-width, upper case, without spaces, dashes and invisible characters: as it is stored and compared."""
    # Signs that had a space between them may join once it is gone, hence again until nothing changes. Codes settle in
    # one pass; the limit is for text that is none.
    for _ in range(_PASSES_MAX):
        before, text = text, _fold(text)
        if text == before:
            break
    return text


def find_warnings(code: str) -> tuple[str, ...]:
    """What is odd about a normalised code; empty when everything adds up."""
    found = []
    if len(code) != LENGTH:
        found.append(WRONG_LENGTH)
    if any(each not in ALPHABET for each in code):
        found.append(WRONG_SYMBOL)
    if found:
        # The checks below have no meaning on such a text.
        return tuple(found)
    if check_character(code[:-1]) != code[-1]:
        found.append(WRONG_CHECK)
    part = code[_ORGANISATION_PART]
    if organisation_check_character(part[:-1]) != part[-1]:
        found.append(WRONG_ORGANISATION_PART)
    return tuple(found)


def _fold(text: str) -> str:
    upper = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).upper())
    return "".join(each for each in upper if each not in _DASHES and unicodedata.category(each)[0] not in ("Z", "C"))


def check_character(body: str) -> str:
    """The eighteenth character for the first seventeen. Weights are the powers of 3 modulo 31."""
    total = sum(ALPHABET.index(each) * pow(3, position, 31) for position, each in enumerate(body))
    # The outer modulo turns 31 into 0: without it one code in 31 has no check character.
    return ALPHABET[(31 - total % 31) % 31]


def organisation_check_character(body: str) -> str:
    """The ninth character of an organisation code for its first eight (GB 11714: 10 is X, 11 is 0)."""
    total = sum(int(each, 36) * weight for each, weight in zip(body, _ORGANISATION_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]
