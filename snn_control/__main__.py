"""The command ``snn_control``; also as ``python -m snn_control``, if the folder of commands is not in PATH."""

import sys


def main() -> int:
    """Run the command of this process, see `cli.main`. It can also be interrupted during its first imports."""
    try:
        from .cli import main as command

        return command()
    except KeyboardInterrupt:
        print("snn_control: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
