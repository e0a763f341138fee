"""The engine's command line. Exit codes: 0 fine, 1 failed, 2 bad usage."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine import __version__, settings
from engine.errors import AmygdalaError
from engine.plain import plain

DESCRIPTION = "Readout vectors from stories: computes them, keeps them current, exports them."


def run(argv: Sequence[str]) -> int:
    """Parse, run the command, and turn errors meant for people into their words and exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.command(arguments)
    except AmygdalaError as error:
        print(plain(f"error: {error}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"amygdala-studio {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    export = commands.add_parser("export", help="compute a corpus and write readout files")
    export.add_argument("corpus", nargs="?", type=Path, metavar="CORPUS", help="the folder with stories/ and paired/")
    export.add_argument("--stories-dir", type=Path, metavar="DIR", help="instead of CORPUS: unpaired stories")
    export.add_argument("--paired-dir", type=Path, metavar="DIR", help="with --stories-dir: scenarios")
    export.add_argument("--output-dir", type=Path, required=True, metavar="DIR", help="where the files go")
    export.add_argument("--quality-report", action="store_true", help="write quality.json too")
    export.add_argument(
        "--format", choices=("readout", "gguf"), default="readout", help="gguf: control vectors for llama.cpp, too"
    )
    settings.add_flags(export)
    export.set_defaults(command=_export)

    verify = commands.add_parser("verify", help="check a set of readout files, and say which model and corpus it is of")
    verify.add_argument("folder", type=Path, metavar="OUT", help="the folder that an export wrote")
    verify.add_argument(
        "--corpus", type=Path, metavar="CORPUS", help="fail, too, if its stories are not those the set was made of"
    )
    verify.add_argument("--json", action="store_true", help="as JSON, for scripts")
    verify.set_defaults(command=_verify)

    init = commands.add_parser("init", help="write CORPUS/amygdala.toml, with every setting explained")
    init.add_argument("corpus", type=Path, metavar="CORPUS")
    settings.add_flags(init)
    init.set_defaults(command=_init)

    serve = commands.add_parser("serve", help="run the engine here, in the foreground")
    serve.add_argument("corpora", nargs="*", type=Path, metavar="CORPUS", help="corpora to open at once")
    serve.add_argument(
        "--idle-exit", type=float, metavar="MINUTES", help="exit after this long with no client and no work (never)"
    )
    _socket_flag(serve)
    settings.add_flags(serve)
    serve.set_defaults(command=_serve)

    status = commands.add_parser("status", help="what the engine is doing")
    status.add_argument("--json", action="store_true", help="as JSON, for scripts")
    _socket_flag(status)
    status.set_defaults(command=_status)

    close = commands.add_parser("close", help="have the engine let go of a corpus")
    close.add_argument("corpus", type=Path, metavar="CORPUS")
    _socket_flag(close)
    close.set_defaults(command=_close)

    stop = commands.add_parser("stop", help="stop the engine")
    _socket_flag(stop)
    stop.set_defaults(command=_stop)
    return parser


def _socket_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the engine's socket (AMYGDALA_SOCKET)")


def _export(arguments: argparse.Namespace) -> int:
    from engine.cli.export import export

    return export(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    from engine.cli.verify import verify

    return verify(arguments)


def _init(arguments: argparse.Namespace) -> int:
    from engine.cli.init import init

    return init(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    from engine.cli.serve import serve

    return serve(arguments)


def _status(arguments: argparse.Namespace) -> int:
    from engine.cli.remote import status

    return status(arguments)


def _close(arguments: argparse.Namespace) -> int:
    from engine.cli.remote import close

    return close(arguments)


def _stop(arguments: argparse.Namespace) -> int:
    from engine.cli.remote import stop

    return stop(arguments)
