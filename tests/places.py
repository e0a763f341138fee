"""Where the tests' data lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""
STARTUP = ROOT / "tests" / "startup"
"""On the import path of child processes."""
GOLDEN = ROOT / "tests" / "golden"
"""A corpus, tiny models, and what the script in use computed of them."""
MODELS = ("llama", "qwen3", "qwen3_5_hybrid", "gpt2")
"""The golden models, by the names of their folders."""
