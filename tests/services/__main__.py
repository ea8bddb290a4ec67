"""`install` what servers need, or `run` a command with them."""

import os
import subprocess
import sys

from . import KINDS, selected, service, stop


def main(verb="help", *command):
    if verb == "install":
        for name in selected():
            KINDS[name].install()
        return 0
    if verb == "run" and command:
        environment = dict(os.environ)
        for name in selected():
            database = service(name)
            if database.address:
                environment[f"LODESTORE_TEST_{name.upper()}"] = database.url
        try:
            return subprocess.run(command, env=environment).returncode
        finally:
            stop()
    print("python -m tests.services install | run COMMAND ...", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
