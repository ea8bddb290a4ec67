"""Large files are streamed: memory does not grow with them."""

import json
import os
import subprocess
import sys

import pytest

from services import stores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")

SIZE = 1 << 30
LIMIT_MIB = 200

#: Inserts (and for an attachment fetches) a file in a process of its own, which tells by how many
#: MiB its peak rose.
SCRIPT = (
    """
import os, sys
import lodestore as dj

def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith(name))

folder, column, source = sys.argv[1:]
os.chdir(folder)
project = dj.Instance(path="project")
project.config["download_path"] = os.path.join(folder, "downloads")
schema = project.Schema("lab")

@schema
class File(dj.Manual):
    definition = '''
    id : int32
    ---
    attached = null : <attach@>
    stored = null : <object@>
    '''

small = os.path.join(folder, "small")
open(small, "wb").write(b"x")
File.insert1({"id": 0, column: small})
(File & "id = 0").fetch1(column)
# The peak is counted from here on; without this it would be that of the imports.
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = memory("VmRSS")
File.insert1({"id": 1, column: source})
print(memory("VmHWM") - before)
found = (File & "id = 1").fetch1(column)
if column == "attached":
    assert os.path.getsize(found) == os.path.getsize(source)
else:
    found.verify()
    copy = found.download(os.path.join(folder, "downloads"))
    total = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(copy) for name in names)
    assert total + (os.path.getsize(copy) if os.path.isfile(copy) else 0) == found.size == int("""
    + str(SIZE)
    + """)
print(memory("VmHWM") - before)
"""
)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A file of a gibibyte, of which no block is empty."""
    path = tmp_path_factory.mktemp("large") / "file.bin"
    block = bytes(range(256)) * 4096
    with open(path, "wb") as file:
        for number in range(SIZE // len(block)):
            file.write(number.to_bytes(8, "little") + block[8:])
    yield path
    path.unlink()


@pytest.mark.parametrize("column", ["attached", "stored"])
@pytest.mark.parametrize("as_folder", [False, True])
def test_a_file_of_a_gibibyte_takes_little_memory(large, tmp_path, column, as_folder, record_property):
    if as_folder and column == "attached":
        pytest.skip("attachments are files")
    source = large.parent if as_folder else large
    script = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path, column, source], capture_output=True, text=True, check=True
    )
    *_, inserted, read = (int(line) for line in script.stdout.split() if line.lstrip("-").isdigit())
    record_property("insert_mib", inserted)
    print(f"{column}{' folder' if as_folder else ''}: insert +{inserted} MiB, read back +{read} MiB")
    assert inserted < LIMIT_MIB and read < LIMIT_MIB
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.stat().st_size > 1 << 20:
            path.unlink()


#: Inserts arrays into a store of the network, reads them back one by one, and tells by how many MiB the peak rose.
ARRAYS = """
import json, sys
import numpy as np
import lodestore as dj

def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith(name))

folder, settings, count, size = sys.argv[1:]
count, size = int(count), int(size)
project = dj.Instance(path=folder + "/project")
project.config.stores["far"] = json.loads(settings)
project.config["transfer.memory"] = 64 << 20
schema = project.Schema("lab")

@schema
class Trace(dj.Manual):
    definition = '''
    id : int32
    ---
    lazy = null : <npy@far>
    '''

def rows():
    for id in range(count):
        array = np.empty(size // 8)
        array.fill(0)
        yield {"id": id, "lazy": array}

Trace.insert1({"id": -1, "lazy": np.zeros(3)})
(Trace & "id = -1").fetch1("lazy").load()
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = memory("VmRSS")
Trace.insert(rows())
print(memory("VmHWM") - before)
for id in range(count):
    # A reference keeps what it has loaded: none is kept here.
    assert (Trace & {"id": id}).fetch1("lazy").load().nbytes == size
print(memory("VmHWM") - before)
"""

#: Bytes that go through; a soak test sends many more.
THROUGH = int(os.environ.get("LODESTORE_TEST_THROUGH", 800_000_000))
BOUND_MIB = 256


def test_memory_is_bounded_whatever_goes_through(tmp_path, record_property):
    # What is sent is all zeros, of which the server keeps nothing.
    server = stores.ObjectServer(sys.executable, stores.HERE / "bucket_server.py", "--hollow")
    settings = {
        "protocol": "gcs",
        "endpoint": f"http://127.0.0.1:{server.port}",
        "bucket": "b",
        "location": "",
        "token": "anon",
    }
    size = 40_000_000
    command = [sys.executable, "-c", ARRAYS, tmp_path, json.dumps(settings), str(THROUGH // size), str(size)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        *_, inserted, read = (int(line) for line in done.stdout.split() if line.lstrip("-").isdigit())
        record_property("insert_mib", inserted)
        print(f"{THROUGH / 1e9:.1f} GB: insert +{inserted} MiB, read back +{read} MiB")
        assert inserted < BOUND_MIB and read < BOUND_MIB
    finally:
        server.stop()
