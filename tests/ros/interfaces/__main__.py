"""``eval "$(python -m tests.ros.interfaces)"``: build the packages and say what a shell must set to find them."""

import os
import sys

from tests.ros.interfaces import Unavailable, environment, prefix

try:
    installed = prefix()
except Unavailable as error:
    sys.exit(f"no messages of event cameras: {error}")
for name, value in environment(installed).items():
    print(f"export {name}='{value}'".replace(f"{os.pathsep}'", "'"))
