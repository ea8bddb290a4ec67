"""`on_error`: what becomes of rows with a value that cannot be read, in every form of fetching."""

import subprocess
import sys
import zlib

import pytest

import lodestore as dj
from lodestore import _lodestore
from lodestore.errors import CorruptError, DataJointError, MissingExternalFile


@pytest.fixture
def Scan(stored_project):
    @stored_project.Schema("lab")
    class Scan(dj.Manual):
        definition = """
        subject : varchar(8)
        id : int32
        ---
        note = null : <blob@>
        inside = null : <blob>
        """

    Scan.insert({"subject": "ann", "id": number, "note": {"number": number}} for number in range(4))
    store = _lodestore.StoreHandle.open(stored_project.connection._core, "main")
    listed = [path for path, _ in store.list("_hash/lab")]
    for path in listed:
        content = store.get(path)
        store.delete(path)
        try:
            (Scan & "id = 2").fetch1("note")
        except MissingExternalFile:
            break
        store.put(path, content)
    return Scan


FORMS = {
    "to_dicts": lambda table, **options: [row["note"] for row in table.to_dicts(order_by="id", **options)],
    "to_arrays": lambda table, **options: list(table.to_arrays("note", order_by="id", **options)),
    "to_pandas": lambda table, **options: list(table.to_pandas(order_by="id", **options)["note"]),
    "cursor": lambda table, **options: [row["note"] for row in table.cursor(as_dict=True, **options)],
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_does_what_it_is_told(Scan, form):
    fetch = FORMS[form]
    with pytest.raises(MissingExternalFile) as caught:
        fetch(Scan)
    # The error names the row.
    assert caught.value.context["row"] == 'subject="ann", id=2'
    sound = [{"number": number} for number in (0, 1, 3)]
    assert fetch(Scan, on_error="skip") == sound
    for word in ("null", "none"):
        found = fetch(Scan, on_error=word)
        assert found[2] is None and found[:2] + found[3:] == sound
    found = fetch(Scan, on_error="reference")
    assert found[:2] + found[3:] == sound
    ref = found[2]
    assert isinstance(ref, dj.ObjectRef) and ref.path.startswith("_hash/lab/") and ref.size > 0
    with pytest.raises(MissingExternalFile):
        ref.read()
    with pytest.raises(DataJointError, match="reference"):
        fetch(Scan, on_error="ignore")


def test_one_row_too(Scan):
    one = Scan & "id = 2"
    assert one.fetch1("note", on_error="null") is None
    assert one.fetch1(on_error="reference")["note"].path.startswith("_hash/lab/")
    with pytest.raises(MissingExternalFile):
        one.fetch1("note")


@pytest.mark.databases("sqlite")
@pytest.mark.stores("file")
def test_a_value_of_the_table_itself_has_no_reference(Scan):
    Scan.connection.query("UPDATE \"lab.scan\" SET inside = x'00' WHERE id = 1")
    with pytest.raises(CorruptError):
        Scan.to_dicts(on_error="reference")
    assert (Scan & "id = 1").fetch1("inside", on_error="null") is None


@pytest.mark.databases("sqlite")
@pytest.mark.stores("file")
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as on Linux")
def test_a_blob_that_becomes_too_large_is_a_memory_error(Scan, stored_project):
    """A few megabytes that inflate to four gibibytes, where there is less memory."""
    size = 4 << 30
    head = b"mYm\0" + b"A" + (1).to_bytes(8, "little") + (size - 37).to_bytes(8, "little")
    compress = zlib.compressobj(9)
    stream = compress.compress(head)
    block = bytes(1 << 24)
    left = size - len(head)
    while left:
        stream += compress.compress(block[: min(left, len(block))])
        left -= min(left, len(block))
    blob = b"ZL123\0" + size.to_bytes(8, "little") + stream + compress.flush()
    assert len(blob) < 5 << 20
    stored_project.connection.query('UPDATE "lab.scan" SET inside = %s WHERE id = 1', (blob,))
    code = """
import resource, sys, lodestore as dj
table = dj.Instance(path=sys.argv[1]).Schema("lab")["Scan"]
(table & "id = 0").proj("inside").to_dicts()
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
try:
    (table & "id = 1").proj("inside").to_dicts()
except MemoryError as error:
    print(type(error).__name__, error.context)
print((table & "id = 1").fetch1("subject"))
"""
    place = stored_project.connection.place.rsplit("/", 1)[0]
    done = subprocess.run([sys.executable, "-c", code, place], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "OutOfMemoryError" in done.stdout and "id=1" in done.stdout and done.stdout.endswith("ann\n")


@pytest.mark.databases("sqlite")
def test_ctrl_c_while_numpy_is_imported_is_raised(tmp_path):
    """NumPy imports `numpy.ma` when somebody asks for it: the signal comes just then."""
    code = """
import sys
import lodestore as dj
schema = dj.Instance(path=sys.argv[1]).Schema("lab")

@schema
class T(dj.Manual):
    definition = "id : int32\\n---\\nvalue : <blob>"

import types
real = sys.modules.get("numpy")

class Late(types.ModuleType):
    ndarray = None
    def __getattr__(self, name):
        raise KeyboardInterrupt

sys.modules["numpy"] = Late("numpy")
try:
    T.insert1({"id": 1, "value": object()})
except KeyboardInterrupt:
    print("raised")
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "p"], capture_output=True, text=True)
    assert done.stdout == "raised\n", done.stderr
