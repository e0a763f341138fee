"""`amygdala CORPUS`, `amygdala demo [DIR]`, `python -m amygdala_tui`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from amygdala_tui.demo import DEFAULT_FOLDER, copy_sample
from engine import __version__, paths, settings
from engine.corpus import Layout
from engine.encoding import insist_on_utf8
from engine.errors import AmygdalaError, UsageError
from engine.plain import plain
from engine.settings import Settings

EPILOG = """amygdala demo [DIR] copies a sample corpus to DIR (./amygdala-demo) and opens it with the embedded model.
A folder named demo is opened with: amygdala ./demo"""


def main(argv: Sequence[str] | None = None) -> int:
    """Open the studio; exit codes as the engine's: 0 fine, 1 failed, 2 bad usage."""
    if argv is None:
        insist_on_utf8()
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        if arguments[:1] == ["demo"]:
            return _demo(arguments[1:])
        return _studio(arguments)
    except AmygdalaError as error:
        print(plain(f"error: {error}"), file=sys.stderr)
        return error.exit_code


def studio_parser() -> argparse.ArgumentParser:
    """The parser of `amygdala CORPUS`; `docs/reference.md` is made from it and from `demo_parser`."""
    parser = argparse.ArgumentParser(
        prog="amygdala",
        description="See what spoils a corpus's readout vectors, and fix it, live.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"amygdala-studio {__version__}")
    parser.add_argument("corpus", type=Path, metavar="CORPUS", help="the folder with stories/ and paired/")
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the engine's socket (AMYGDALA_SOCKET)")
    settings.add_flags(parser)
    return parser


def demo_parser() -> argparse.ArgumentParser:
    """The parser of `amygdala demo`."""
    parser = argparse.ArgumentParser(prog="amygdala demo", description="Open a sample corpus with planted faults.")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="DIR",
        help="where the sample is copied to, unless it is there already (./%(default)s)",
    )
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the engine's socket (AMYGDALA_SOCKET)")
    return parser


def _studio(argv: Sequence[str]) -> int:
    arguments = studio_parser().parse_args(argv)
    Layout.of(arguments.corpus)
    flag_values = settings.from_flags(arguments)
    # without a flag, the writer joins with the settings in force; the engine reads amygdala.toml itself
    chosen = settings.load(arguments.corpus, flag_values)
    return _open(arguments.corpus, paths.socket_path(arguments.socket), chosen if flag_values else None)


def _demo(argv: Sequence[str]) -> int:
    arguments = demo_parser().parse_args(argv)
    copied = copy_sample(arguments.folder)
    words = "copied the sample corpus to" if copied else "opening the corpus that is already in"
    print(f"{words} {arguments.folder}; what to do there: {arguments.folder / 'TUTORIAL.md'}", file=sys.stderr)
    return _open(arguments.folder, paths.socket_path(arguments.socket), Settings(model="embedded"))


def _open(corpus: Path, socket: Path, chosen: Settings | None) -> int:
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):  # Textual draws on stderr
        raise UsageError("the studio needs a terminal; for scripts there is: amygdala-engine export")
    from amygdala_tui.app import Studio

    app = Studio(corpus, socket, chosen)
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
