"""A process that stages objects, to be interrupted or killed."""

import subprocess
import sys
import textwrap

WRITER = """
import sys, lodestore as dj
schema = dj.Instance(path=sys.argv[1]).Schema("lab")

@schema
class Scan(dj.Manual):
    definition = '''
    id : int32
    ---
    frames : <object@>
    raw : <hash@>
    '''

def write(number):
    with Scan.staged_insert1 as staged:
        staged.rec["id"] = number
        with staged.open("raw") as raw:
            store = staged.store("frames", ".zarr")
            for chunk in range(20):
                store[str(chunk)] = bytes([chunk]) * 10_000
                raw.write(bytes([chunk]) * 10_000)
                print(number, chunk, flush=True)
"""


def start(folder, body):
    code = WRITER + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def files_of(folder):
    return sorted(
        str(path.relative_to(folder / "objects"))
        for path in (folder / "objects").rglob("*")
        if path.is_file()
    )
