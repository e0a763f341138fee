"""The engine's command line. Exit codes: 0 fine, 1 failed, 2 bad usage."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from engine import __version__, settings
from engine.errors import AmygdalaError
from engine.plain import plain

Command = Callable[[argparse.Namespace], int]
"""Carries out what was asked for; returns the exit code."""
DESCRIPTION = "Readout vectors from stories: computes them, keeps them current, exports them."


def run(argv: Sequence[str]) -> int:
    """Parse, run the command, and turn errors meant for people into their words and exit code."""
    if sys.stdout is None:
        print("error: standard output is closed, so the answer would be lost", file=sys.stderr)
        return 1
    try:
        code = _carry_out(argv)
        sys.stdout.flush()
    except AmygdalaError as error:
        print(plain(f"error: {error}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except OSError as error:
        if not _is_about_stdout(error):
            raise
        if error.errno != errno.EPIPE:  # a reader that has gone, `| head` for one, has what it wanted
            print(f"error: cannot write to standard output: {error.strerror}", file=sys.stderr)
        _discard_stdout()
        return 1
    return code


def _carry_out(argv: Sequence[str]) -> int:
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as end:  # help was asked for, or the usage is bad
        return int(end.code or 0)
    code: int = arguments.command(arguments)
    return code


def _is_about_stdout(error: OSError) -> bool:
    """Whether writing the answer failed, and not something else that names its file."""
    return error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC, errno.EIO)


def _discard_stdout() -> None:
    """Let Python end without trying once more to write what could not be written."""
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    """The parser of every command; `docs/reference.md` is made from it."""
    parser = argparse.ArgumentParser(prog="amygdala-engine", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"amygdala-studio {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    export = commands.add_parser("export", help="compute a corpus and write readout files")
    export.add_argument("corpus", nargs="?", type=Path, metavar="CORPUS", help="the folder with stories/ and paired/")
    export.add_argument("--stories-dir", type=Path, metavar="DIR", help="instead of CORPUS: unpaired stories")
    export.add_argument("--paired-dir", type=Path, metavar="DIR", help="with --stories-dir: scenarios")
    _export_flags(export, "the result as JSON on stdout, for scripts")
    export.set_defaults(command=_lazily("export", "export"))

    watch = commands.add_parser("watch", help="keep readout files current: write them after every change of a corpus")
    watch.add_argument("corpus", type=Path, metavar="CORPUS", help="the folder with stories/ and paired/")
    _export_flags(watch, "a line of JSON on stdout whenever files were written, for scripts")
    _socket_flag(watch)
    watch.set_defaults(command=_lazily("watch", "watch"))

    advise = commands.add_parser("advise", help="which pooling, method and blocks read a corpus best (held-out AUROC)")
    advise.add_argument("corpus", type=Path, metavar="CORPUS", help="the folder with stories/ and paired/")
    advise.add_argument(
        "--sample", type=_count, metavar="N", help="read whole scenarios of about N texts, and say which (all texts)"
    )
    advise.add_argument("--json", action="store_true", help="as JSON, for scripts")
    settings.add_flags(advise)
    advise.set_defaults(command=_lazily("advise", "advise"))

    report = commands.add_parser("report", help="say which stories look misread and why, for people; writes no vectors")
    report.add_argument("corpus", type=Path, metavar="CORPUS", help="the folder with stories/ and paired/")
    report.add_argument("--html", type=Path, metavar="FILE", help="write one page that needs no network")
    report.add_argument(
        "--format", choices=("md", "json"), help="on stdout: md (where no --html is given), or json, for scripts"
    )
    settings.add_flags(report)
    report.set_defaults(command=_lazily("evidence_report", "report"))

    verify = commands.add_parser("verify", help="check a set of readout files, and say which model and corpus it is of")
    verify.add_argument("folder", type=Path, metavar="OUT", help="the folder that an export wrote")
    verify.add_argument(
        "--corpus", type=Path, metavar="CORPUS", help="fail, too, if its stories are not those the set was made of"
    )
    verify.add_argument("--json", action="store_true", help="as JSON, for scripts")
    verify.set_defaults(command=_lazily("verify", "verify"))

    cache = commands.add_parser("cache", help="activations that are kept: how much, whether sound, less of it")
    _cache_commands(cache.add_subparsers(title="commands", required=True, metavar="COMMAND"))

    history = commands.add_parser("history", help="a corpus's revisions: what changed, and stories as they were")
    history.add_argument("corpus", type=Path, metavar="CORPUS", help="the folder with stories/ and paired/")
    history.add_argument("--limit", type=int, default=50, metavar="N", help="so many of the newest (50)")
    history.add_argument("--json", action="store_true", help="as JSON, for scripts")
    instead = history.add_mutually_exclusive_group()
    instead.add_argument("--compare", type=int, nargs=2, metavar=("A", "B"), help="files and numbers, A's to B's")
    instead.add_argument("--text", nargs=2, metavar=("REV", "PATH"), help="a story's text as it was, to stdout")
    history.set_defaults(command=_lazily("history", "history"))

    init = commands.add_parser("init", help="write CORPUS/amygdala.toml, with every setting explained")
    init.add_argument("corpus", type=Path, metavar="CORPUS")
    settings.add_flags(init)
    init.set_defaults(command=_lazily("init", "init"))

    serve = commands.add_parser("serve", help="run the engine here, in the foreground")
    serve.add_argument("corpora", nargs="*", type=Path, metavar="CORPUS", help="corpora to open at once")
    serve.add_argument(
        "--idle-exit", type=float, metavar="MINUTES", help="exit after this long with no client and no work (never)"
    )
    _socket_flag(serve)
    settings.add_flags(serve)
    serve.set_defaults(command=_lazily("serve", "serve"))

    status = commands.add_parser("status", help="what the engine is doing")
    status.add_argument("--json", action="store_true", help="as JSON, for scripts")
    _socket_flag(status)
    status.set_defaults(command=_lazily("remote", "status"))

    close = commands.add_parser("close", help="have the engine let go of a corpus")
    close.add_argument("corpus", type=Path, metavar="CORPUS")
    _socket_flag(close)
    close.set_defaults(command=_lazily("remote", "close"))

    log = commands.add_parser("log", help="what engines in the background have said")
    log.add_argument("--lines", type=_count, default=50, metavar="N", help="so many of the last lines (50)")
    log.add_argument("--follow", action="store_true", help="and then what comes, until interrupted")
    log.set_defaults(command=_lazily("log", "show_log"))

    stop = commands.add_parser("stop", help="stop the engine")
    _socket_flag(stop)
    stop.set_defaults(command=_lazily("remote", "stop"))
    return parser


def _count(text: str) -> int:
    """A number of things, as a flag's value."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def _export_flags(parser: argparse.ArgumentParser, json_help: str) -> None:
    parser.add_argument("--output-dir", type=Path, required=True, metavar="DIR", help="where the files go")
    parser.add_argument(
        "--quality-report", action="store_true", help="write quality.json too, for which every story is judged"
    )
    parser.add_argument(
        "--format", choices=("readout", "gguf"), default="readout", help="gguf: control vectors for llama.cpp, too"
    )
    parser.add_argument("--json", action="store_true", help=json_help)
    settings.add_flags(parser)


def _cache_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    info = commands.add_parser("info", help="how much there is, and of what")
    info.set_defaults(command=_lazily("cache", "info"))
    verify = commands.add_parser(
        "verify", help="read every entry, and drop the damaged; exit code 1 if there were any, though they are gone"
    )
    verify.set_defaults(command=_lazily("cache", "verify"))
    prune = commands.add_parser("prune", help="drop the least recently used, and what killed processes left behind")
    prune.add_argument(
        "--max-size", metavar="SIZE", help="how much may stay, for example 5G or 500M, in powers of 1024 (20G)"
    )
    prune.set_defaults(command=_lazily("cache", "prune"))
    for parser in (info, verify, prune):
        parser.add_argument("--json", action="store_true", help="as JSON, for scripts")


def _socket_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the engine's socket (AMYGDALA_SOCKET)")


def _lazily(module: str, function: str) -> Command:
    """A command whose module is imported when it runs, so that `--help` answers at once whatever commands import."""

    def run(arguments: argparse.Namespace) -> int:
        command: Command = getattr(importlib.import_module(f"engine.cli.{module}"), function)
        return command(arguments)

    return run
