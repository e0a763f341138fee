"""`benchmarks.gpu`, which runs on a CPU too."""

from __future__ import annotations

from benchmarks import gpu
from tests.benchmarks.smoke import figures, printed


def test_the_share_of_the_peak_follows_from_the_rates() -> None:
    text = printed(gpu.main, "--size", "tiny", "--texts", "4", "--tokens", "30", "--dtype", "fp32")
    texts, tokens, blocks = figures(r"(\d+) texts of (\d+) tokens, (\d+) blocks", text)
    assert (texts, tokens, blocks) == (4, 30, 4)
    reached, best, share = figures(r"(\S+) TFLOP/s of (\S+): (\d+)% of the peak", text)
    assert reached > 0
    assert abs(100 * reached / best - share) < 2
