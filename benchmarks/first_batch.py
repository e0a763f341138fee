"""What passes before the first batch of a model with a large vocabulary: each part alone, and all of them together.

    python -m benchmarks.first_batch [--vocabulary 262144] [--size tiny] [--repeat 3]

The model is one of random weights with a tokenizer of Gemma's kind, which transformers builds anew from its file. Every
measurement is a process of its own that has never seen the model, with an empty cache; the system has the files in its
own. Imports and the tokenizer hold Python's lock, so that they follow one another; hashes and weights need it little.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import flags, random_model

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
LONGEST = 12
"""Characters of an entry, at most."""
PARTS = """
import json, time
from pathlib import Path
def passed(): return time.time() - {started}
import engine.cli.computing
from engine.compute.model.checkpoint import Checkpoint
from engine.compute.model.folder import file_sha256, hashes
from engine.compute.model.tokenizer import load_tokenizer
from engine.settings import Settings
settings = Settings(model={folder!r}, device="cpu")
checkpoint = Checkpoint(settings)
checkpoint.n_blocks
from transformers import AutoTokenizer
seconds = dict(imports=passed())
def take(name, work):
    started = time.perf_counter()
    work()
    seconds[name] = time.perf_counter() - started
take("hashes", lambda: hashes(Path({folder!r}), settings, file_sha256))
take("weights", lambda: checkpoint._load(None))
take("tokenizer", lambda: load_tokenizer(Path({folder!r}), trust_remote_code=False))
take("by transformers", lambda: AutoTokenizer.from_pretrained({folder!r}))
print(json.dumps(seconds))
"""
TOGETHER = """
import json, time
from pathlib import Path
import engine.cli.computing
from engine.compute.activations.store import Store
from engine.compute.model.depth import extractor_for, outline_for
from engine.settings import Settings
settings = Settings(model={folder!r}, device="cpu", target_layers="0")
store = Store(Path({cache!r}))
model = outline_for(settings, store.digest, store.sketches)
next(extractor_for(model, [0], settings).run(["She waited at the door until the light went out."]))
print(json.dumps(time.time() - {started}))
"""


def enlarge(folder: Path, n_entries: int) -> None:
    """Give a model's folder a tokenizer of Gemma's kind with so many entries, made of random merges."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    drawn = random.Random(0)
    pieces = [*map(chr, range(33, 127)), "▁"]
    vocabulary = {token: i for i, token in enumerate((*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces))}
    merges: list[tuple[str, str]] = []
    while len(vocabulary) < n_entries:
        merge = drawn.choice(pieces), drawn.choice(pieces)
        joined = "".join(merge)
        if len(joined) <= LONGEST and joined not in vocabulary:
            vocabulary[joined] = len(vocabulary)
            merges.append(merge)
            pieces.append(joined)
    tokenizer: Any = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    tokenizer.post_processor = TemplateProcessing(
        single="<bos>:0 $A:0", pair="<bos>:0 $A:0 <bos>:1 $B:1", special_tokens=[("<bos>", vocabulary["<bos>"])]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {f"{token[1:-1]}_token": token for token in SPECIAL}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GemmaTokenizer", **named}), "utf-8")


def measure(folder: Path, repeat: int) -> None:
    """Each part alone, and all together, in turn; prints the medians."""
    runs: list[dict[str, float]] = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as cache:
            together = output(TOGETHER, folder=str(folder), cache=cache)
        runs.append(output(PARTS, folder=str(folder)) | {"together": together})
    seconds = {name: median(run[name] for run in runs) for name in runs[0]}
    print(f"imports, with Python's start and a look through the model {seconds['imports']:.2f} s")
    print(f"then hashes {seconds['hashes']:.2f} s, weights {seconds['weights']:.2f} s")
    print(f"tokenizer {seconds['tokenizer']:.2f} s, as transformers loads it {seconds['by transformers']:.2f} s")
    after = ("hashes", "weights", "tokenizer")
    bound = seconds["imports"] + max(seconds[name] for name in after)
    print(f"the first batch after {seconds['together']:.2f} s; imports and the slowest of the others {bound:.2f} s")
    one_by_one = seconds["imports"] + seconds["by transformers"] + seconds["hashes"] + seconds["weights"]
    print(f"one after the other, with the tokenizer of transformers {one_by_one:.2f} s")


def output(script: str, **words: str) -> Any:
    """What a script prints, as JSON, in a process of its own; it is told when that was started."""
    filled = script.format(started=time.time(), **words)
    printed = subprocess.run([sys.executable, "-c", filled], check=True, capture_output=True, text=True).stdout
    return json.loads(printed.splitlines()[-1])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    random_model.add_flags(parser)
    parser.set_defaults(size="tiny", vocabulary=262_144)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args(argv)
    with random_model.checkpoint(arguments) as folder:
        enlarge(folder, arguments.vocabulary)
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6
        print(f"{arguments.vocabulary} entries, {size:.0f} MB of weights")
        measure(folder, arguments.repeat)
    return 0


if __name__ == "__main__":
    sys.exit(main())
