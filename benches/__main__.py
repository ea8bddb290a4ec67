"""Runs the topics that are named, or all of them."""

import importlib
import pkgutil
import sys
from pathlib import Path

TOPICS = sorted(
    module.name
    for module in pkgutil.iter_modules([str(Path(__file__).parent)])
    if module.name not in ("__main__", "harness")
)


def main(names):
    unknown = set(names) - set(TOPICS)
    if unknown:
        sys.exit(f"there is no topic {', '.join(sorted(unknown))}; there are {', '.join(TOPICS)}")
    for name in names or TOPICS:
        topic = importlib.import_module(f"benches.{name}")
        print(f"\n== {name}: {topic.__doc__.splitlines()[0]}")
        topic.run()


main(sys.argv[1:])
