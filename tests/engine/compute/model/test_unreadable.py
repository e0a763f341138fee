"""A text that the model cannot take is named, by its words and by its file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.cli import computing
from engine.compute.model.checkpoint import Checkpoint
from engine.compute.model.forward import Extractor, UnreadableText
from engine.corpus import Layout, scan
from engine.errors import AmygdalaError
from engine.settings import Settings

REASON = r"its tokenizer makes token \d+ of it, and the model knows \d+ tokens"


@pytest.fixture
def folder(golden: Path, tmp_path: Path) -> Path:
    """The tiny llama, whose tokenizer knows a token that the model does not."""
    folder = Path(shutil.copytree(golden / "models" / "llama", tmp_path / "llama"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    token = {"id": json.loads((folder / "config.json").read_text())["vocab_size"] + 5, "content": "<|story|>"}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokenizer["added_tokens"].append(token | flags)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def test_text_with_a_token_that_the_model_does_not_know_is_named(folder: Path) -> None:
    extractor = Extractor(Checkpoint(Settings(model=str(folder), device="cpu")).load(0), [0], pooling="last")
    text = "<|story|> She laughed."
    with pytest.raises(UnreadableText, match=rf"the model cannot take the story '<\|story\|> She laughed.': {REASON}"):
        list(extractor.run(["Rain.", text, "A dog."]))
    assert len(next(extractor.run(["Rain.", "A dog."]))) == 2


@pytest.mark.usefixtures("cache")
def test_export_names_its_file(folder: Path, corpus: Path) -> None:
    (corpus / "stories" / "zzz.txt").write_text("<|story|> She laughed.")
    chosen = Settings(model=str(folder), device="cpu", target_layers="1,2")
    with pytest.raises(AmygdalaError, match=rf"zzz\.txt: the model cannot take it: {REASON}; change it or take it out"):
        computing.alone(scan(Layout.of(corpus)), chosen, with_neurons=False)
