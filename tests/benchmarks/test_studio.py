"""`benchmarks.studio`."""

from __future__ import annotations

from benchmarks import studio
from tests.benchmarks.smoke import CORPUS, LLAMA, figures, printed


def test_what_a_writer_does_is_counted_in_bytes() -> None:
    text = printed(
        studio.main, CORPUS, "--model", LLAMA, "--sizes", "80x24", "--starts", "1", "--idle", "0.5", "--stories", "60"
    )
    assert figures(r"(\d+) stories, (\d+) × (\d+)", text) == [60, 80, 24]
    assert figures(r"first paint of the studio: (\S+) to", text)[0] > 0
    assert figures(r"first paint of a bare app: (\S+) to", text)[0] > 0
    n_bytes, n_compressed = figures(r"first paint {2,}(\d+) +(\d+) ", text)
    assert n_bytes > n_compressed > 0
    assert text.count("a verdict") == 2
    assert figures(r"idle, a minute +(\d+)", text) == [0]
    assert "torch in the studio's memory: no" in text
