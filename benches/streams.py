"""Ten million rows read one by one, as dicts and as Arrow batches: time and peak memory."""

import subprocess
import sys
import tempfile

from .harness import table
from .rows import filled

ROWS = 10_000_000

#: What a process of its own does with the table, so that its peak of memory is its own.
WAYS = {
    "nothing": "pass",
    "for row in table": "for row in rows: count += 1",
    "Arrow batches": "for batch in pyarrow.RecordBatchReader.from_stream(rows): count += batch.num_rows",
    "sqlite3 cursor": "for row in plain.execute('SELECT * FROM \"bench.measurement\"'): count += 1",
}

SCRIPT = """
import resource, sqlite3, time
import pyarrow
import lodestore as dj
plain = sqlite3.connect({folder!r} + "/lodestore.db")
rows = dj.Instance(path={folder!r}).FreeTable("bench.measurement")
len(rows.heading)
count, began = 0, time.perf_counter()
{way}
print(count, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def run():
    with tempfile.TemporaryDirectory() as folder:
        measurement, plain = filled(folder, ROWS)
        measurement.connection.close()
        plain.close()
        rows = []
        for name, way in WAYS.items():
            script = SCRIPT.format(folder=folder, way=way)
            output = subprocess.run(
                [sys.executable, "-c", script], check=True, capture_output=True, text=True
            ).stdout
            count, seconds, peak = output.split()
            assert int(count) == (0 if name == "nothing" else ROWS)
            rows.append((name, f"{float(seconds):.1f}", f"{float(peak):.0f}"))
        table(("way", "s", "peak MB"), rows)
