"""Which story another is compared with, and what two texts have in common. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from amygdala_tui.mirror import Mirror
from engine.prose.sentences import Span, sentences
from engine.results import CopyOf
from engine.wire.snapshot import StoryView

LEAST_WORDS = 5
"""Of a passage that is told of. One so long is in 14 of 4,000 pairs of unrelated stories, one of three words in 540."""
MOST_PASSAGES = 100


@dataclass(frozen=True)
class Partner:
    """The story beside another."""

    path: str | None
    """None where there is none."""
    why: str
    """Why this one, or why none, in words."""


def default_partner(mirror: Mirror, path: str, copies: Sequence[CopyOf] = ()) -> Partner:
    """The story that another is compared with unless the writer says which: its near-copy, else its concept's best.

    Args:
        mirror: the corpus.
        path: the story's.
        copies: what the engine says of its near-copies (`Draft.prose`), the closest first.
    """
    view = mirror.stories.get(path)
    if view is None:
        return Partner(None, "choose a story first")
    for copy in copies:
        for other in mirror.stories.values():
            if (other.concept, other.scenario) == (copy.concept, copy.scenario) and other.path != path:
                return Partner(other.path, f"its near-copy, with {copy.share:.0%} of its wording")
    if view.concept is None:
        return Partner(None, "a baseline has no concept, so there is no best story to put beside it")
    others = [other for other in mirror.stories_of(view.concept) if other.path != path]
    judged = [other for other in others if _own_share(other) is not None]
    best = max((other for other in judged if not other.misread), key=lambda other: _own_share(other) or 0, default=None)
    if best is not None:
        return Partner(best.path, f"the best {view.concept} story")
    if judged:
        return Partner(None, f"the other {view.concept} stories are misread too")
    words = f"no other {view.concept} story is judged yet" if others else f"it is the only {view.concept} story"
    return Partner(None, words)


def _own_share(view: StoryView) -> float | None:
    """How likely a story is to belong to its own concept; None where that is not told, or from too few stories."""
    return view.shares[0][1] if view.shares and view.strength not in (None, "too few to tell") else None


def compared_by(one: StoryView, other: StoryView | None) -> tuple[str, ...]:
    """The concepts by which two stories may be read: the first one's, its rival, then the other one's; each once."""
    rivals = [name for name, _ in one.shares if name != one.concept]
    names = [one.concept, one.reads_as or (rivals[0] if rivals else None), other.concept if other else None]
    return tuple(dict.fromkeys(name for name in names if name is not None))


@dataclass(frozen=True)
class Block:
    """Sentences that stand beside one another, as ranges of sentence numbers in the one text and in the other."""

    one: range
    other: range
    is_same: bool
    """Whether they are the same sentences in the same order; else some may stand elsewhere in the other text."""


@dataclass(frozen=True)
class Common:
    """What two texts have in common; pairs are of the one text and of the other."""

    sentences: tuple[list[Span], list[Span]]
    same: tuple[frozenset[int], frozenset[int]]
    """The numbers of the sentences that both have, wherever they stand: equally many."""
    blocks: list[Block]
    """All sentences in order."""
    passages: tuple[list[Span], list[Span]] | None = None
    """The passages that both have outside these sentences, in the order of the text; None before they are looked for
    (`with_passages`)."""

    @property
    def is_whole(self) -> bool:
        """Whether the two texts are one and the same."""
        return all(block.is_same for block in self.blocks)


def in_common(one: str, other: str) -> Common:
    """What two texts have in common, without passages. Takes a thread: milliseconds."""
    spans = sentences(one), sentences(other)
    pairs = _same_sentences(_sayings(one, spans[0]), _sayings(other, spans[1]))
    return Common(
        sentences=spans,
        same=(frozenset(i for i, _ in pairs), frozenset(j for _, j in pairs)),
        blocks=_blocks(_in_order(pairs), len(spans[0]), len(spans[1])),
    )


def with_passages(common: Common, one: str, other: str) -> Common:
    """The same with its passages. Takes a thread: milliseconds, and a quarter of a second the first time."""
    from engine.prose.copies import shared_passages  # imports numpy, which the studio's start does not wait for

    (spans, other_spans), (same, other_same) = common.sentences, common.same
    hidden, other_hidden = _without(one, spans, same, "\0"), _without(other, other_spans, other_same, "\1")
    passages = [
        passage for passage in shared_passages(hidden, other_hidden, MOST_PASSAGES) if passage.n_words >= LEAST_WORDS
    ]
    return replace(common, passages=(sorted(each.one for each in passages), sorted(each.other for each in passages)))


def _sayings(text: str, spans: Sequence[Span]) -> list[str]:
    """What each sentence says, however its lines are broken."""
    return [" ".join(text[start:end].split()) for start, end in spans]


def _same_sentences(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of equal sentences, by number, in the order of the first text; each sentence is in one pair at most."""
    places = defaultdict(list)
    for j in reversed(range(len(other))):
        places[other[j]].append(j)
    return [(i, places[said].pop()) for i, said in enumerate(one) if places.get(said)]


def _in_order(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The most pairs that are in the same order in both texts: the longest rising subsequence of the second numbers."""
    ends: list[int] = []
    """The least second number with which a rising run of each length can end; and which pair that is."""
    at: list[int] = []
    before: list[int] = []
    for n, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        ends[length : length + 1], at[length : length + 1] = [j], [n]
        before.append(at[length - 1] if length else -1)
    chosen = []
    n = at[-1] if at else -1
    while n >= 0:
        chosen.append(pairs[n])
        n = before[n]
    return chosen[::-1]


def _without(text: str, spans: Sequence[Span], numbers: frozenset[int], word: str) -> str:
    """A text in which some sentences are one odd word each, so that no passage holds any of them; places stay."""
    pieces, end = [], 0
    for number in sorted(numbers):
        start = spans[number][0]
        pieces += [text[end:start], word * (spans[number][1] - start)]
        end = spans[number][1]
    return "".join(pieces) + text[end:]


def _blocks(pairs: Sequence[tuple[int, int]], n_one: int, n_other: int) -> list[Block]:
    """All sentences, in runs of pairs and what lies between them."""
    blocks: list[Block] = []
    i = j = 0
    for one, other in [*pairs, (n_one, n_other)]:
        if (one, other) != (i, j):
            blocks.append(Block(range(i, one), range(j, other), is_same=False))
        if one < n_one:
            last = blocks[-1] if blocks else None
            if last is not None and last.is_same and (last.one.stop, last.other.stop) == (one, other):
                blocks[-1] = Block(range(last.one.start, one + 1), range(last.other.start, other + 1), is_same=True)
            else:
                blocks.append(Block(range(one, one + 1), range(other, other + 1), is_same=True))
        i, j = one + 1, other + 1
    return blocks
