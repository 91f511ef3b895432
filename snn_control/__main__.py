"""Run the command ``snn_control`` as ``python -m snn_control``, even if the folder of commands is not in PATH."""

import sys

try:
    from .cli import main
except KeyboardInterrupt:
    print("snn_control: interrupted", file=sys.stderr)
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
