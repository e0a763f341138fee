"""Reads one typed `Settings` from defaults, then `CORPUS/amygdala.toml`, then flags; the later ones win.

A field's description is its flag's help and its comment in the file that `engine init` writes.
"""

from __future__ import annotations

import argparse
import re
import tomllib
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from engine.errors import UsageError
from engine.paths import expand
from engine.triage import Thresholds

FILE_NAME = "amygdala.toml"
AUTO = "auto"
"""The value of `target_layers` with which a sweep over the stories chooses the blocks."""
EMBEDDED = "embedded"
"""The name of the packaged model; a folder of that name is written `./embedded`."""

MAX_BYTES = 64 << 10
"""Of `amygdala.toml`: one with every setting explained has 4 KiB."""
Positive = Annotated[int, Meta(ge=1, le=1_000_000)]
Name = Annotated[str, Meta(max_length=1000)]
"""A path or a name: longer than a file system takes is a mistake."""
Ratio = Annotated[float, Meta(ge=-1, le=1)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides what is computed; `None` means that the model or the device decides."""

    model: Annotated[
        Name, Meta(description="a model's folder, a hub id, or 'embedded' (all-MiniLM-L6-v2, packaged)")
    ] = EMBEDDED
    target_layers: Annotated[
        Name | None,
        Meta(
            description="blocks whose output is read: indices from 0 ('1,2,4'), percentages of the depth ('50%,67%') "
            "or 'auto' (where the stories' concepts read best); embedded: 1,2,3, other models: 50%,58%,67%"
        ),
    ] = None
    method: Annotated[
        Literal["pooled", "whitened", "subspace"],
        Meta(
            description="how directions are made: difference of means; the same, whitened (reads better, not for "
            "steering); or from the subspaces that whole stories span"
        ),
    ] = "pooled"
    subspace_k: Annotated[
        Positive | None, Meta(description="method subspace: singular vectors kept per story (all)")
    ] = None
    subspace_direction: Annotated[
        Literal["filter", "top-k"],
        Meta(description="method subspace: a spectral filter of the difference, or a sum of the top eigenvectors"),
    ] = "filter"
    subspace_eigen_k: Annotated[Positive, Meta(description="direction top-k: eigenvectors summed")] = 5
    shrinkage: Annotated[
        float,
        Meta(
            ge=1e-6,
            le=1e6,
            description="method whitened: weight of the plain difference; much of it is the pooled method",
        ),
    ] = 1.0
    pooling: Annotated[
        Literal["last", "mean"] | None,
        Meta(
            description="a text's activation: its last token, or the mean of its tokens; embedded: mean, others: last"
        ),
    ] = None
    pool_from: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="with mean pooling, the first token counted (0-based); skips an attention sink",
        ),
    ] = 0
    max_length: Annotated[
        int, Meta(ge=3, le=10_000_000, description="tokens read of a story; longer ones are cut, and say so")
    ] = 512
    dtype: Annotated[
        Literal["bf16", "fp16", "fp32"] | None,
        Meta(
            description="the model's number format; without it bf16 on a GPU, and on a CPU with bf16 instructions "
            "where the weights are bf16; else fp32"
        ),
    ] = None
    device: Annotated[Name, Meta(description="auto (a GPU if there is one), cpu, cuda, cuda:1, ...")] = "auto"
    batch_size: Annotated[
        Positive | None, Meta(description="at most this many texts per batch (else bounded by tokens alone)")
    ] = None
    min_positives: Annotated[
        Positive, Meta(description="concepts with fewer texts get no vector; they still serve as contrast")
    ] = 1
    blocks: Annotated[
        Name | None, Meta(description="the path of a model's list of blocks, where it is not found: 'model.layers'")
    ] = None
    attention_output: Annotated[
        Name | None, Meta(description="in a block, attention's output projection: 'self_attn.o_proj'")
    ] = None
    down_projection: Annotated[
        Name | None, Meta(description="in a block, the MLP's down projection: 'mlp.down_proj'")
    ] = None
    redundant_r2: Annotated[Ratio, Meta(description="redundant above this share explained by other concepts")] = 0.9
    contaminated_cosine: Annotated[Ratio, Meta(description="contaminated above this cosine to another concept")] = 0.8
    clean_first_pc: Annotated[Ratio, Meta(description="clean above this share of the first principal component")] = 0.7
    single_neuron_cosine: Annotated[
        Ratio, Meta(description="a clean concept is one neuron above this cosine with it")
    ] = 0.6
    fragmented_first_pc: Annotated[
        Ratio, Meta(description="fragmented below this share of the first principal component")
    ] = 0.4
    thin_below: Annotated[Positive, Meta(description="thin: fewer stories than this")] = 3
    trust_remote_code: Annotated[
        bool, Meta(description="run the code that a model brings with it (a flag only, never from a file)")
    ] = False

    @property
    def thresholds(self) -> Thresholds:
        """The triage thresholds among the settings."""
        names = msgspec.structs.fields(Thresholds)
        return Thresholds(**{field.name: getattr(self, field.name) for field in names})


EXAMPLES: dict[str, str | int] = {
    "target_layers": "50%,67%",
    "subspace_k": 16,
    "pooling": "mean",
    "dtype": "fp32",
    "batch_size": 8,
    "blocks": "model.layers",
    "attention_output": "self_attn.o_proj",
    "down_projection": "mlp.down_proj",
}
"""What the settings that have no fixed default may look like, for the template."""
HINTS: dict[str, Any] = get_type_hints(Settings, include_extras=True)


def load(corpus: Path, overrides: dict[str, Any]) -> Settings:
    """Defaults, then `CORPUS/amygdala.toml` if it is there, then `overrides` (from flags).

    Raises:
        UsageError: the file is malformed or holds a wrong key or value (named with its line), or an override is wrong.
    """
    file = corpus / FILE_NAME
    values = _read(file) if file.is_file() else {}
    if overrides.get("trust_remote_code") and "model" in values and "model" not in overrides:
        raise UsageError(
            f"--trust-remote-code: the model is named by {file}, and a corpus must not choose the code that is run.\n"
            f"Name it on the command line, too: --model {values['model']}"
        )
    _anchor(values, corpus)
    _anchor(overrides, Path.cwd())
    return validate(values | overrides)


def _anchor(values: dict[str, Any], folder: Path) -> None:
    """Make a model's folder absolute: the engine runs in another directory than the person who named it."""
    model = values.get("model")
    if not isinstance(model, str) or model == EMBEDDED:
        return
    model_folder = folder / expand(model)
    if model_folder.is_dir():
        values["model"] = str(model_folder.resolve())


def validate(values: dict[str, Any]) -> Settings:
    """Settings from plain values.

    Raises:
        UsageError: a value is of the wrong type or out of range.
    """
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:
        raise UsageError(_explain(error)) from error


def differences(mine: Settings, theirs: Settings) -> dict[str, tuple[str, str]]:
    """Fields in which two settings differ: name -> (mine, theirs), as words."""
    return {
        name: (_shown(getattr(mine, name)), _shown(getattr(theirs, name)))
        for name in Settings.__struct_fields__
        if getattr(mine, name) != getattr(theirs, name)
    }


def _shown(value: object) -> str:
    return "the default for the model" if value is None else str(value)


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UsageError(f"{file}: more than {MAX_BYTES >> 10} KiB, so it is no file of settings and is not read")
        text = content.decode("utf-8-sig")
        values = tomllib.loads(text)
    except RecursionError as error:
        raise UsageError(f"{file}: not valid TOML: brackets within brackets, too deep to read") from error
    except ValueError as error:  # malformed, no UTF-8, or a number of thousands of digits
        raise UsageError(f"{file}: not valid TOML: {error}") from error
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    if "trust_remote_code" in values:
        raise UsageError(
            f"{file}:{_line_of(text, 'trust_remote_code')}: trust_remote_code is a flag, never a file's to decide: "
            "a corpus must not be able to run code. Remove the line and pass --trust-remote-code."
        )
    for key, value in values.items():
        try:
            msgspec.convert({key: value}, Settings)
        except msgspec.ValidationError as error:
            raise UsageError(f"{file}:{_line_of(text, key)}: {_explain(error)}") from error
    return values


def _line_of(text: str, key: str) -> int:
    lines = text.splitlines()
    pattern = re.compile(rf"""\s*\[?["']?{re.escape(key)}\b""")
    return next((number for number, line in enumerate(lines, 1) if pattern.match(line)), 1)


def _explain(error: msgspec.ValidationError) -> str:
    words = str(error)
    if match := re.search(r"`\$\.(\w+)`", words):
        key = match.group(1)
        if choices := _flag_type(HINTS[key])[1]:
            return f"{key}: one of {', '.join(choices)} is expected"
        complaint = words.split(" - at ")[0]
        return f"{key}: {complaint[0].lower()}{complaint[1:]}"
    if match := re.search(r"unknown field `(\w+)`", words):
        return f"{match.group(1)}: no such setting; there are: {', '.join(Settings.__struct_fields__)}"
    return words


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add one flag per setting, named like it, with dashes; none has a default, so a missing flag overrides nothing."""
    group = parser.add_argument_group("settings (also in CORPUS/amygdala.toml, with underscores)")
    for name, hint in HINTS.items():
        flag = "--" + name.replace("_", "-")
        kind, choices = _flag_type(hint)
        words = _description(hint).replace("%", "%%")
        if kind is bool:
            group.add_argument(flag, action="store_true", default=None, help=words)
        else:
            metavar = None if choices else name.split("_")[-1].upper()
            group.add_argument(flag, type=kind, choices=choices, default=None, metavar=metavar, help=words)


def from_flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that were passed as flags, by name."""
    flags = {name: getattr(arguments, name) for name in Settings.__struct_fields__}
    return {name: value for name, value in flags.items() if value is not None}


def template(values: dict[str, Any]) -> str:
    """The text of a fresh `amygdala.toml`: every setting with its meaning; those without `values` are commented out."""
    lines = ["# Settings of this corpus. Flags override them; `amygdala-engine export --help` lists the same.", ""]
    for field in msgspec.structs.fields(Settings):
        if field.name == "trust_remote_code":
            continue
        lines.append(f"# {_description(HINTS[field.name])}")
        if field.name in values:
            lines.append(f"{field.name} = {_toml(values[field.name])}")
        elif field.default is None:
            example = _toml(EXAMPLES[field.name])
            lines.append(f"# {field.name} = {example}  # an example: by default the model or the device decides")
        else:
            lines.append(f"# {field.name} = {_toml(field.default)}")
        lines.append("")
    return "\n".join(lines)


def _toml(value: str | float) -> str:
    """A string or a number as TOML, which writes both as JSON does."""
    return msgspec.json.encode(value).decode()


def _description(hint: Any) -> str:
    return next(m.description for m in hint.__metadata__ if isinstance(m, Meta) and m.description)


def _flag_type(hint: Any) -> tuple[type, tuple[str, ...] | None]:
    """The plain type behind a field's annotation, and its choices if it is a literal."""
    if get_origin(hint) is Annotated:
        return _flag_type(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return _flag_type(next(arg for arg in get_args(hint) if arg is not type(None)))
    if get_origin(hint) is Literal:
        return str, get_args(hint)
    return hint, None
