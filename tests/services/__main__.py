"""`install` what servers need, or `run` a command with them."""

import os
import subprocess
import sys

from . import KINDS, proxy, selected, selected_stores, service, stop, store, stores


def main(verb="help", *command):
    if verb == "install":
        for name in selected():
            KINDS[name].install()
        for name in selected_stores():
            stores.KINDS[name].install()
        return 0
    if verb == "run" and command:
        environment = dict(os.environ)
        servers = [service(name) for name in selected()] + [store(name) for name in selected_stores()]
        for server in servers:
            if server.address:
                environment[f"LODESTORE_TEST_{server.name.upper()}"] = server.url
        network = proxy("s3") if "s3" in selected_stores() else None
        if network:
            environment["LODESTORE_TEST_S3_PROXY"] = f"127.0.0.1:{network.port}"
        try:
            return subprocess.run(command, env=environment).returncode
        finally:
            if network:
                network.stop()
            stop()
    print("python -m tests.services install | run COMMAND ...", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
