"""Runs the code blocks of a Markdown page in order, as a reader would type them.

    python tests/run_page.py PAGE

Blocks marked ``python`` share one namespace. Lines after ``>>>`` are run as doctests, so the output that
the page shows is compared with the real one (`...` matches anything). Blocks marked ``sh`` are run by
bash, with `lodestore` and `python` of this environment. A block after ``<!-- not run: reason -->`` is
skipped. Everything happens in the current working directory.
"""

import doctest
import os
import re
import subprocess
import sys
import traceback
import types
from pathlib import Path

#: An optional marker, the language, and the lines of a fenced block, which may be indented.
BLOCK = re.compile(
    r"(?P<skip><!-- not run: [^>]+ -->\s*\n)?^(?P<indent> *)```(?P<language>python|sh)\b[^\n]*\n(?P<code>.*?)^ *```$",
    re.M | re.S,
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(text):
    """The blocks to run: line number, language, code."""
    for match in BLOCK.finditer(text):
        if not match["skip"]:
            lines = match["code"].splitlines()
            code = "\n".join(line.removeprefix(match["indent"]) for line in lines) + "\n"
            yield text[: match.start("code")].count("\n") + 1, match["language"], code


def run_doctest(code, namespace, page, line):
    test = doctest.DocTestParser().get_doctest(code, namespace, str(page), str(page), line)
    test.globs = namespace  # Names that a block defines are there for the next one.
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, clear_globs=False)
    if runner.failures:
        raise AssertionError(f"{page}:{line}: the output differs from what the page shows")


def run_python(code, namespace, page, line):
    if ">>> " in code:
        return run_doctest(code, namespace, page, line)
    exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)


def run_shell(code):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # The command is not installed where the extension is built in place.
    code = 'lodestore() { python -m lodestore "$@"; }\n' + code
    subprocess.run(["bash", "-euo", "pipefail", "-c", code], check=True, env={**os.environ, "PATH": path})


def main():
    page = Path(sys.argv[1])
    # Classes name their module, which must be one that can be imported.
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    for line, language, code in blocks(page.read_text()):
        try:
            run_python(code, module.__dict__, page, line) if language == "python" else run_shell(code)
        except Exception:
            traceback.print_exc()
            sys.exit(f"{page}:{line}: the block failed")


if __name__ == "__main__":
    main()
