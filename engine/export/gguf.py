"""Control vectors for llama.cpp and repeng: one GGUF file per concept, `gguf/<concept>.gguf` beside the readout.

What both read (llama.cpp: `common_control_vector_load_one` in `common/common.cpp` and `llama_adapter_cvec` in
`src/llama-adapter.cpp`; repeng: `ControlVector.import_gguf` in `repeng/extract.py`):

- `general.architecture`: `controlvector`. repeng warns of any other.
- `controlvector.model_hint`: the model's type as transformers names it. repeng refuses a file without it, and warns
  when it adds vectors that differ in it; llama.cpp reads no metadata.
- `controlvector.layer_count`: how many directions the file has, which is what both programs' writers put there
  (no reader reads it).
- `direction.<N>`: F32, one dimension, all of one width. N is the block, from 0, to whose *output* the vector is added:
  repeng wraps block N; llama.cpp keeps direction N in slot N - 1, from which its block N takes it. It refuses N = 0, so
  a vector for block 0 cannot be expressed; and it refuses a file with any other tensor.

The values are the unit vectors that ship, in fp16's precision. `amygdala.norms` tells, per direction, how long the
difference of means was: the scale at which adding the vector moves a text as far as the stories are apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UsageError
from engine.export import files

if TYPE_CHECKING:
    import gguf

    from engine.compute.live.readout import Readout

FOLDER = "gguf"
ARCHITECTURE = "controlvector"
CONCEPT = "amygdala.concept"
"""The first key after the architecture: a file that has it was written by this program."""
PROLOGUE_BYTES = 128
"""The start of a file within which that key stands, whatever the concept."""

NAME_BYTES = 200
"""The most that a file's name takes of its concept's name; with a hash and endings, it must stay below 256 bytes."""
AWKWARD = re.compile(r"""^\.|[/\\:,"]|~[0-9a-f]{8}$""")
"""A leading dot hides a file; slashes lead elsewhere; llama.cpp splits `FILE:SCALE,FILE:SCALE` at colons and
commas; and no concept's own name may look like one with a hash appended."""


def prepare(folder: Path) -> None:
    """Make sure, before anything is computed, that control vectors can be written to a set in `folder`.

    Raises:
        UsageError: the package that writes GGUF is not installed, or the folder cannot be made or written to.
    """
    _writer()
    files.prepare(folder)
    files.prepare(folder / FOLDER)


def check(layers: Sequence[int]) -> None:
    """Refuse layers that a control vector cannot hold.

    Raises:
        UsageError: block 0 is among them.
    """
    if 0 in layers:
        allowed_blocks = ",".join(str(block) for block in layers if block) or "1"
        raise UsageError(
            "--format gguf: llama.cpp adds control vectors from block 1 on and refuses a file with one for block 0; "
            f"leave block 0 out of the target layers (--target-layers {allowed_blocks}), or write no GGUF"
        )


def documents(readout: Readout, model_hint: str, provenance: Mapping[str, str]) -> dict[str, bytes]:
    """Every concept's control vector, as files of the set.

    Args:
        readout: the vectors, `[C, H]` per layer.
        model_hint: the model's type as transformers names it (`config.model_type`).
        provenance: what made them; each file carries it, as `amygdala.<key>`.

    Returns:
        Contents by name (`gguf/<concept>.gguf`), in the order of the concepts.

    Raises:
        UsageError: block 0 is among the layers, or the package that writes GGUF is not installed.
        OSError: no temporary file could be written.
    """
    check(readout.layers)
    strings = {f"{ARCHITECTURE}.model_hint": model_hint or "unknown"}
    strings |= {f"amygdala.{key}": value for key, value in provenance.items()}
    names = file_names(readout.concepts)
    with tempfile.TemporaryDirectory() as scratch:  # the package writes to real files only
        file = Path(scratch, "vector.gguf")
        return {
            f"{FOLDER}/{names[concept]}": _encode(file, readout, row, strings)
            for row, concept in enumerate(readout.concepts)
        }


def file_names(concepts: Sequence[str]) -> dict[str, str]:
    """Each concept's file name: the concept's own name where a folder and a command line can take it.

    They cannot take a name that is awkward, too long, or equal to another one where case does not count. Such a name
    has its awkward characters replaced and a hash of the concept appended, so that no two concepts share a file. The
    file itself holds the concept's name.
    """
    folded = Counter(concept.casefold() for concept in concepts)
    return {concept: _file_name(concept, folded[concept.casefold()] > 1) + ".gguf" for concept in concepts}


def _file_name(concept: str, clashes: bool) -> str:
    fits = concept.isprintable() and len(concept.encode()) <= NAME_BYTES
    if fits and not clashes and not AWKWARD.search(concept):
        return concept
    visible = "".join(char if char.isprintable() else "_" for char in concept)
    shortened = AWKWARD.sub("_", visible).encode()[:NAME_BYTES].decode(errors="ignore")
    return f"{shortened}~{hashlib.sha256(concept.encode()).hexdigest()[:8]}"


def others(folder: Path, names: Collection[str]) -> list[Path]:
    """Control vectors of this program in `folder` that are none of `names`: what an older run left there.

    Files are compared by device and inode, not by name: where case does not count, `Calm.gguf` is the `calm.gguf` that
    was just written.
    """
    current_files = {_identity(folder / name) for name in names if (folder / name).is_file()}
    control_vectors = sorted(file for file in (folder / FOLDER).glob("*.gguf") if file.is_file())
    return [file for file in control_vectors if _is_ours(file) and _identity(file) not in current_files]


def remove_others(folder: Path, names: Collection[str]) -> None:
    """Remove what an older run left there, and the folder with it if nothing else is in it."""
    for file in (stale_files := others(folder, names)):
        file.unlink(missing_ok=True)
    if stale_files:
        with contextlib.suppress(OSError):
            (folder / FOLDER).rmdir()


def _encode(file: Path, readout: Readout, row: int, strings: Mapping[str, str]) -> bytes:
    """One concept's control vector, written by way of `file`."""
    concept = readout.concepts[row]
    writer = _writer()(file, ARCHITECTURE)
    try:
        writer.add_string(CONCEPT, concept)
        writer.add_name(concept)
        writer.add_description(f"Readout vector of '{concept}': a unit vector for the output of each of its blocks.")
        writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(readout.layers))
        for key, value in strings.items():
            writer.add_string(key, value)
        writer.add_array("amygdala.norms", [float(readout.norms[block][row]) for block in readout.layers])
        for block in readout.layers:
            writer.add_tensor(f"direction.{block}", readout.vectors[block][row].float().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
    return file.read_bytes()


def _writer() -> type[gguf.GGUFWriter]:
    try:
        from gguf import GGUFWriter
    except ImportError as error:
        raise UsageError(
            f"--format gguf needs a package that is not installed ({error}): pip install 'amygdala-studio[gguf]'"
        ) from error
    return GGUFWriter


def _is_ours(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            start = stream.read(PROLOGUE_BYTES)
    except OSError:  # a file that cannot be read may belong to others, so it is left alone
        return False
    return start.startswith(b"GGUF") and CONCEPT.encode() in start


def _identity(file: Path) -> tuple[int, int]:
    info = file.stat()
    return info.st_dev, info.st_ino
