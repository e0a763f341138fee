"""What it takes to have a model ready: against a bare script, and cut off above the last target block or whole.

    python -m benchmarks.loading MODEL [--layers 50%,67%] [--repeat 5]

Everything runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks import flags, random_model
from benchmarks.timing import timed
from engine.compute.model.layers import target_layers
from engine.settings import Settings

GOAL = 1.2
BARE = """
import torch
from transformers import AutoModel
AutoModel.from_pretrained({folder!r}, dtype=torch.{dtype}).to({device!r}).eval()
"""
OURS = """
from pathlib import Path
import engine.compute.live.corpus
from engine.compute.model.depth import load_for
from engine.compute.activations.store import Store
from engine.settings import Settings
load_for(Settings(model={folder!r}, target_layers={layers!r}, dtype={short!r}), Store(Path({cache!r})).digest)
"""
HELD = """
import json, mmap, time
from pathlib import Path
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
import engine.compute.live.corpus
from engine.compute.model.depth import load_for
from engine.settings import Settings

def memory():
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE

with torch.device("meta"):  # so that only weights are left to be loaded, no code
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained({folder!r}))
before = memory()
started = time.perf_counter()
model = {load}
seconds = time.perf_counter() - started
weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
for weight in model.parameters():
    weight.sum()  # pages mapped from the file are read only when they are used
read = time.perf_counter() - started
print(json.dumps(dict(seconds=seconds, read=read, weights=weights, memory=memory() - before)))
"""
WHOLE = "AutoModelForCausalLM.from_pretrained({folder!r}, dtype=torch.{dtype}).to({device!r}).eval()"
HEADLESS = "AutoModel.from_pretrained({folder!r}, dtype=torch.{dtype}).to({device!r}).eval()"
CUT = "load_for(Settings(model={folder!r}, target_layers={layers!r}, dtype={short!r}), lambda _: '').module"


def start(settings: Settings, repeat: int) -> None:
    """From nothing to a model that can run, ours against a bare script, both short of the blocks that are not read."""
    words = _words(settings)
    with tempfile.TemporaryDirectory() as made:
        cut = save_cut(settings, Path(made) / "cut")
        bare = BARE.format(**words | {"folder": str(cut)})
        own = OURS.format(**words, cache=str(Path(made) / "cache"))
        run(bare)  # both find their files in the system's cache
        first = run(own)
        pairs = [(run(bare), run(own)) for _ in range(repeat)]
    plain, ours = (median(times) for times in zip(*pairs, strict=True))
    print("\nstart: Python, imports, the blocks that are read")
    print(f"bare script {plain:.2f} s, ours {ours:.2f} s (with its tokenizer and its hashes, which it remembers)")
    print(f"ratio {ours / plain:.2f} (goal: at most {GOAL}); the first time ever, hashing the files, {first:.2f} s")


def truncated(settings: Settings) -> None:
    """Seconds and memory of the whole model and of what is read of it, from files that the system has in its cache."""
    words = _words(settings)
    kinds = {"whole, with its head": WHOLE, "without the head": HEADLESS, "ours, cut off": CUT}
    print("\nloading")
    for name, load in kinds.items():
        held = json.loads(output(HELD.format(load=load.format(**words), **words)))
        print(
            f"{name:22}{held['weights'] / 1e6:9.0f} MB of weights, {held['memory'] / 1e6:7.0f} MB more in memory, "
            f"{held['seconds']:6.2f} s, {held['read']:6.2f} s until all is read"
        )


def save_cut(settings: Settings, folder: Path) -> Path:
    """A checkpoint of only the blocks that are read."""
    from transformers import AutoConfig, AutoModel

    random_model.quiet()
    config: Any = AutoConfig.from_pretrained(settings.model)
    layers = target_layers(settings, config.num_hidden_layers)
    assert layers is not None
    config.num_hidden_layers = max(layers) + 1
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[: max(layers) + 1]
    dtype = getattr(torch, _words(settings)["dtype"])
    AutoModel.from_pretrained(settings.model, config=config, dtype=dtype).save_pretrained(str(folder))
    return folder


def run(script: str) -> float:
    """Seconds of a process of its own."""
    return timed(output, script)[0]


def output(script: str) -> str:
    """What a script prints, in a process of its own."""
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout


def _words(settings: Settings) -> dict[str, Any]:
    """What the scripts are filled in with."""
    short = settings.dtype or "fp32"
    return {
        "folder": settings.model,
        "layers": settings.target_layers,
        "short": short,
        "dtype": {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}[short],
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--layers", help="target blocks")
    parser.add_argument("--dtype", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args(argv)
    settings = Settings(model=str(arguments.model.resolve()), target_layers=arguments.layers, dtype=arguments.dtype)
    start(settings, arguments.repeat)
    truncated(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
