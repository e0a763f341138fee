"""Other packages on the same model and texts: seconds per text of their own extraction, beside ours and the floor.

    python -m benchmarks.peers FOLDER [--corpus C] [--stories 64] [--repeat 2] [--family qwen3] [--size 100m]

Each package gets a virtual environment in FOLDER (1.4 GB each; kept for the next time), with the versions that it asks
for itself. What is timed is the documented call with its defaults, loading apart, on pairs of texts that hold every
text once (`peer_worker.py`). It gives one direction per layer; ours gives one per concept and layer, the quality
report, and the files.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import bare, flags, ours, random_model
from benchmarks.textbook.stories import Stories
from benchmarks.timing import timed
from engine.compute.model.depth import load_for
from engine.compute.model.layers import target_layers
from engine.corpus import Corpus
from engine.settings import Settings

PACKAGES = {"steering-vectors": "0.12.2", "repeng": "0.4.0"}
TORCH = "2.13.0"
"""The same for all; an open range would bring the newest build, with all of CUDA."""
WORKER = Path(__file__).with_name("peer_worker.py")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = flags.parser(__doc__)
    parser.add_argument("folder", type=Path, help="where the virtual environments are kept")
    flags.add_drawn_stories(parser)
    parser.add_argument("--layers", help="target blocks (the default, which ends at two thirds of the depth)")
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=list(PACKAGES))
    parser.add_argument("--repeat", type=int, default=2)
    random_model.add_flags(parser)
    arguments = parser.parse_args(argv)
    pythons = {name: environment(arguments.folder / name, name) for name in arguments.packages}
    with random_model.checkpoint(arguments) as folder:
        settings = Settings(model=str(folder), target_layers=arguments.layers, dtype=arguments.dtype)
        compare(settings, flags.drawn_stories(arguments), pythons, arguments.repeat)
    return 0


def environment(folder: Path, package: str) -> Path:
    """The Python of a virtual environment that has the package; made if it is not there."""
    python = folder / "bin" / "python"
    wanted = [f"torch=={TORCH}", f"{package}=={PACKAGES[package]}"]
    made = folder / "made.json"
    if not made.is_file() or json.loads(made.read_text()) != wanted:
        print(f"installing {package} in {folder} ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        made.write_text(json.dumps(wanted))
    return python


def compare(settings: Settings, corpus: Corpus, pythons: dict[str, Path], repeat: int) -> None:
    """Floor, ours and the others in turn, `repeat` times."""
    model = load_for(settings, lambda _file: "")
    layers = target_layers(settings, model.anatomy.n_blocks)
    assert layers is not None
    texts = Stories.of(corpus).texts
    job = {"model": settings.model, "texts": texts, "layers": layers, "dtype": str(model.dtype).split(".")[1]}
    seconds: dict[str, list[float]] = {name: [] for name in ("floor", "ours", *pythons)}
    versions: dict[str, dict[str, str]] = {}
    last_block = model.anatomy.blocks[max(layers)]
    bare.floor(model.module, model.tokenizer, texts[:4], last_block)  # to warm up
    for _ in range(repeat):
        floor_seconds, _ = timed(bare.floor, model.module, model.tokenizer, texts, last_block)
        seconds["floor"].append(floor_seconds / len(texts))
        seconds["ours"].append(sum(ours.export(model, settings, corpus).seconds.values()) / len(texts))
        for name, python in pythons.items():
            report = extraction(python, name, job)
            seconds[name].append(report["seconds"] / report["texts"])
            versions[name] = report["versions"]
    print(f"{len(texts)} texts, blocks {layers} of {model.anatomy.n_blocks}, {model.dtype} on {model.device}")
    floor, own = median(seconds["floor"]), median(seconds["ours"])
    for name, times in seconds.items():
        of = ", ".join(f"{package} {number}" for package, number in versions.get(name, {}).items())
        each = median(times)
        print(f"{name:18}{1e3 * each:8.1f} ms a text{each / floor:7.2f} x floor{each / own:7.2f} x ours  {of}".rstrip())


def extraction(python: Path, package: str, job: dict[str, Any]) -> dict[str, Any]:
    """What `peer_worker.py` prints of one package, in a process of its own.

    Raises:
        RuntimeError: it failed; with what it wrote.
    """
    done = subprocess.run(
        [python, "-I", str(WORKER), package], input=json.dumps(job), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{package} failed:\n{done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


if __name__ == "__main__":
    sys.exit(main())
