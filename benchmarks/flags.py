"""The command lines of the benchmarks: how each describes itself, and the flags that several have."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import corpora
from engine import settings
from engine.corpus import Corpus
from engine.settings import Settings


def parser(document: str | None) -> argparse.ArgumentParser:
    """A parser whose help is a module's docstring, as it stands."""
    return argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_drawn_stories(to: argparse.ArgumentParser) -> None:
    """Which stories, and how many."""
    to.add_argument("--corpus", type=Path, help="a real corpus (else the stories that ship)")
    to.add_argument("--stories", type=int, default=64, help="how many of them (64)")


def drawn_stories(arguments: argparse.Namespace) -> Corpus:
    """The stories that `add_drawn_stories` asks for."""
    return corpora.drawn(arguments.corpus, arguments.stories)


def add_engine_settings(to: argparse.ArgumentParser) -> None:
    """Every setting of the engine as a flag, such as `--model`."""
    settings.add_flags(to)


def engine_settings(arguments: argparse.Namespace, corpus: Path) -> Settings:
    """The settings of a corpus with the flags of `add_engine_settings`, which win."""
    return settings.load(corpus, settings.from_flags(arguments))
