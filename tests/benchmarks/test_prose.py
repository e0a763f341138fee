"""`benchmarks.prose`: what it costs to read texts without a model."""

from __future__ import annotations

from benchmarks import prose
from tests.benchmarks.smoke import CORPUS, figures, printed


def test_every_reading_of_a_corpus_is_timed() -> None:
    text = printed(prose.main, CORPUS)
    for name in ("sentences", "near-copies", "what sets apart", "giveaways"):
        seconds, edit = figures(rf"{name} +(\S+) s from nothing, (\S+) ms an edit", text)
        assert 0 <= edit / 1000 <= seconds + 0.1
    [aurocs] = [line for line in text.splitlines() if line.startswith("confounds")]
    assert all(0.5 <= auroc <= 1 for auroc in figures(r"function words (\S+), of all words (\S+)", aurocs))
