"""`python -m engine` and `amygdala-engine`."""

import sys


def main() -> int:
    """Run the command line; heavy imports wait until a command needs them."""
    from engine.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
