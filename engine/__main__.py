"""`amygdala-engine`, and `python -m engine`."""

import os
import sys


def main() -> int:
    """Run the command line; heavy imports wait until a command needs them. Ctrl-C is exit code 130 at any moment."""
    try:
        from engine.encoding import insist_on_utf8

        insist_on_utf8()
        # Read when torch is imported, here and in workers: threads that wait by spinning make a shared machine several
        # times slower (a forward pass 3 to 5 times, beside one busy process on two cores) and an idle one no faster.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        from engine.cli import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules were being imported
        code = 130
    import signal

    # while Python ends, an interrupt would be a traceback; the system's own answer to it is none, and 130 in a shell
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return code


if __name__ == "__main__":
    sys.exit(main())
