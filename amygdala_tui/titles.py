"""Short titles of scenarios: what is a name's own; what many share is left out. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from functools import lru_cache

LONGEST = 18
"""Characters that a title has, and up to which a name is its own title."""
SHARED = 0.1
"""The share of all names from which on a word tells little."""
TELLING = 4
"""Letters of a word that may stand beside the first one."""
SEPARATORS = re.compile(r"[-_ ]+")


def titles(scenarios: Collection[str]) -> Mapping[str, str]:
    """A short title for each scenario, no two alike: `t06-a-college-student-and-a-roommate` may be "t06 roommate"."""
    return _titles(tuple(sorted(scenarios)))


@lru_cache(maxsize=4)
def _titles(scenarios: tuple[str, ...]) -> Mapping[str, str]:
    words_of = {name: [word for word in SEPARATORS.split(name) if word] for name in scenarios}
    counts = Counter(word for words in words_of.values() for word in set(words))
    most = max(2.0, SHARED * len(scenarios))  # a scenario often has a variant
    short = {name: _title(name, words, counts, most, LONGEST) for name, words in words_of.items()}
    uses = Counter(short.values())
    for name, words in words_of.items():
        if uses[short[name]] > 1 and len(name) > LONGEST:  # variants of one scenario often differ at the end
            ending = words[-1]
            title = _title(name, words[:-1], counts, most, LONGEST - len(ending) - 1)
            short[name] = name if title == name else f"{title} {ending}"
    uses = Counter(short.values())
    return {name: title if uses[title] == 1 else name for name, title in short.items()}


def _title(name: str, words: list[str], counts: Counter[str], most: float, longest: int) -> str:
    """The first of a name's own words, then its rarest and longest ones, in their order, as far as there is room."""
    own = [place for place, word in enumerate(words) if counts[word] <= most]
    if len(name) <= LONGEST or not own:
        return name
    first, *others = own
    kept, room = {first}, longest - len(words[first])
    for place in sorted(others, key=lambda place: (counts[words[place]], -len(words[place]))):
        if TELLING <= len(words[place]) < room:
            kept.add(place)
            room -= len(words[place]) + 1
    return " ".join(words[place] for place in sorted(kept))
