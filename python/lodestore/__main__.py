"""The command ``lodestore``, also called as ``python -m lodestore``."""

import sys
from importlib import import_module

from ._lodestore import run_command

#: Commands that only Python can carry out, each with the module whose `main` takes the words behind it, and what it
#: is for. All others are the core's.
COMMANDS = {
    "doctor": ("doctor", "looks at a project and says what Lodestore takes of it, and what not"),
    "run": ("run", "runs a Python program in which `import datajoint` means Lodestore"),
    "worker": ("worker", "computes what there is to compute in the tables of modules"),
}


def main(words=None):
    """Runs the command that the words begin with, by default those of this process; gives the exit status."""
    words = sys.argv[1:] if words is None else words
    if words and words[0] in COMMANDS:
        return import_module(f".{COMMANDS[words[0]][0]}", __package__).main(words[1:])
    status = run_command(["lodestore", *words])
    if not words or words[0] in ("-h", "--help"):
        print("\nFrom Python also:", file=sys.stderr if status else sys.stdout)
        for name, (_, purpose) in COMMANDS.items():
            print(f"  {name:<7} {purpose}", file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())
