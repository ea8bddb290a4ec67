"""What private servers have in common: a folder, a port, a process that ends with its parent."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

STARTUP_SECONDS = 60


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unprivileged(*candidates):
    """The user to run a server as: servers refuse to run as root. None for whoever runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in (*candidates, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("a database server needs a user other than root")


def program(name, *folders):
    """The path of a program, looked for in folders (patterns) and on the PATH; None without it."""
    for pattern in folders:
        root, _, rest = pattern.partition("*")
        found = sorted(Path(root).glob(f"*{rest}/{name}")) if rest else [Path(pattern) / name]
        found = [path for path in found if os.access(path, os.X_OK)]
        if found:
            return str(found[-1])
    return shutil.which(name)


def apt_install(*packages):
    """Installs Debian packages, where that is possible; says whether it did."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    update = subprocess.run(["apt-get", "update", "-q"], env=environment, capture_output=True)
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    return update.returncode == 0 and subprocess.run(command, env=environment).returncode == 0


def _end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


class Process:
    """A server in a temporary folder, which can be stopped, killed and started again on the same port."""

    def __init__(self, *users):
        self.user = unprivileged(*users)
        self.folder = Path(tempfile.mkdtemp(prefix="lodestore-server-"))
        if self.user:
            shutil.chown(self.folder, self.user)
        self.port = free_port()
        self._process = None

    def run(self, *command):
        """Runs a program to its end as the server's user; its output is shown if it fails."""
        done = subprocess.run(
            command,
            user=self.user,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}")

    def launch(self, command, is_ready):
        """Starts the server and waits until it answers."""
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                user=self.user,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTUP_SECONDS
        while not is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)

    def end(self, how, patience=30):
        """Ends the server by a signal, and waits until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def remove(self):
        """Removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
