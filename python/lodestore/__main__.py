"""The commands of ``python -m lodestore``."""

import sys
from importlib import import_module

#: Each command with the module whose `main` takes the words behind it, and what it is for.
COMMANDS = {
    "run": ("run", "runs a Python program in which `import datajoint` means Lodestore"),
}


def main(words):
    """Runs the command that the words begin with; gives the exit status."""
    if words and words[0] in COMMANDS:
        return import_module(f".{COMMANDS[words[0]][0]}", __package__).main(words[1:])
    wanted = not words or words[0] in ("-h", "--help")
    print("usage: python -m lodestore COMMAND ...\n", file=sys.stdout if wanted else sys.stderr)
    for name, (_, purpose) in COMMANDS.items():
        print(f"  {name:<10} {purpose}", file=sys.stdout if wanted else sys.stderr)
    return 0 if wanted else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
