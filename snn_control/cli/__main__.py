import sys

try:
    from . import main
except KeyboardInterrupt:
    print("snn_control: interrupted", file=sys.stderr)
    sys.exit(130)

sys.exit(main())
