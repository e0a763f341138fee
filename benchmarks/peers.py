"""Other packages on the same model and texts: seconds per text of their own extraction, beside ours and the floor.

    python benchmarks/peers.py FOLDER [--corpus C] [--stories 64] [--repeat 2] [--family qwen3] [--size 100m]

Each package gets a virtual environment in FOLDER (1.4 GB each; kept for the next time), with the versions that it asks
for itself. What is timed is the documented call with its defaults, loading apart, on pairs of texts that hold every
text once (`peer_worker.py`). It gives one direction per layer; ours gives one per concept and layer, the quality
report, and the files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from statistics import median
from typing import Any

import bare
import ours
import random_model
import textbook

from engine.compute.model.depth import load_for
from engine.compute.model.layers import target_layers
from engine.corpus import Corpus
from engine.settings import Settings

PACKAGES = {"steering-vectors": "0.12.2", "repeng": "0.4.0"}
TORCH = "2.13.0"
"""The same for all; an open range would bring the newest build, with all of CUDA."""
WORKER = Path(__file__).with_name("peer_worker.py")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the virtual environments are kept")
    parser.add_argument("--corpus", type=Path, help="a real corpus (else the stories that ship)")
    parser.add_argument("--stories", type=int, default=64, help="how many of them (64)")
    parser.add_argument("--layers", help="target blocks (the default, which ends at two thirds of the depth)")
    parser.add_argument("--family", choices=random_model.FAMILIES, default="qwen3")
    parser.add_argument("--repeat", type=int, default=2)
    random_model.add_flags(parser)
    arguments = parser.parse_args()
    pythons = {name: environment(arguments.folder / name, name) for name in PACKAGES}
    with tempfile.TemporaryDirectory() as made:
        dtype = random_model.DTYPES[arguments.dtype]
        model = random_model.write(Path(made), random_model.from_flags(arguments), arguments.family, dtype)
        settings = Settings(model=str(model), target_layers=arguments.layers, dtype=arguments.dtype)
        compare(settings, random_model.stories(arguments.corpus, arguments.stories), pythons, arguments.repeat)
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
    texts = textbook.Stories.of(corpus).texts
    job = {"model": settings.model, "texts": texts, "layers": layers, "dtype": str(model.dtype).split(".")[1]}
    seconds: dict[str, list[float]] = {name: [] for name in ("floor", "ours", *pythons)}
    versions: dict[str, dict[str, str]] = {}
    bare.floor(model.module, model.tokenizer, texts[:4], max(layers))  # to warm up
    for _ in range(repeat):
        started = time.perf_counter()
        bare.floor(model.module, model.tokenizer, texts, max(layers))
        seconds["floor"].append((time.perf_counter() - started) / len(texts))
        seconds["ours"].append(sum(ours.export(model, settings, corpus).seconds.values()) / len(texts))
        for name, python in pythons.items():
            found = extraction(python, name, job)
            seconds[name].append(found["seconds"] / found["texts"])
            versions[name] = found["versions"]
    print(f"{len(texts)} texts, blocks {layers} of {model.anatomy.n_blocks}, {model.dtype} on {model.device}")
    floor, own = median(seconds["floor"]), median(seconds["ours"])
    for name, times in seconds.items():
        of = ", ".join(f"{package} {number}" for package, number in versions.get(name, {}).items())
        each = median(times)
        print(f"{name:18}{1e3 * each:8.1f} ms a text{each / floor:7.2f} x floor{each / own:7.2f} x ours  {of}".rstrip())


def extraction(python: Path, package: str, job: dict[str, Any]) -> dict[str, Any]:
    """What one package took, in a process of its own."""
    done = subprocess.run(
        [python, "-I", str(WORKER), package], input=json.dumps(job), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{package} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
