"""Two objects that would have the same path: equal hashes, equal random tokens, files that change meanwhile."""

import os
import threading

import pytest

import lodestore as dj
from lodestore.errors import DataJointError

# The collision that Wang, Feng, Lai and Yu published in 2004.
ONE = bytes.fromhex(
    "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89"
    "55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b"
    "d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
    "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
)
TWO = bytes(byte ^ (0x80 if at in (19, 45, 59, 83, 109, 123) else 0) for at, byte in enumerate(ONE))


@pytest.fixture
def content(stored_project):
    @stored_project.Schema("lab")
    class Content(dj.Manual):
        definition = """
        id : int32
        ---
        content : <hash@>
        """

    return Content


def stored(table):
    return {row["id"]: bytes(row["content"]) for row in table.to_dicts()}


@pytest.mark.stores("file", "s3")
@pytest.mark.parametrize("tail", [0, 3 << 20], ids=["small", "large"])
def test_contents_of_equal_hash_lie_apart(content, tail):
    one, two = ONE + bytes(tail), TWO + bytes(tail)
    content.insert1({"id": 1, "content": one})
    content.insert1({"id": 2, "content": two})
    content.insert([{"id": 3, "content": two}, {"id": 4, "content": one}])
    assert stored(content) == {1: one, 2: two, 3: two, 4: one}
    # Each is deleted with the last row that names it.
    (content & "id in (1, 4)").delete(prompt=False)
    assert stored(content) == {2: two, 3: two}
    content.insert1({"id": 1, "content": one})
    (content & "id in (2, 3)").delete(prompt=False)
    assert stored(content) == {1: one}


@pytest.mark.stores("file", "s3")
def test_contents_of_equal_hash_in_one_insert(content):
    content.insert([{"id": 1, "content": ONE}, {"id": 2, "content": TWO}, {"id": 3, "content": ONE}])
    assert stored(content) == {1: ONE, 2: TWO, 3: ONE}


@pytest.mark.stores("file")
def test_damaged_content_is_still_replaced(content, store_settings):
    content.insert1({"id": 1, "content": ONE})
    file = next(path for path in os.scandir(os.path.join(store_settings["location"], "_hash", "lab")))
    with open(file.path, "wb") as damaged:
        damaged.write(bytes(len(ONE)))
    content.insert1({"id": 2, "content": ONE})
    assert stored(content) == {1: ONE, 2: ONE}


@pytest.mark.stores("file")
def test_a_file_that_is_written_to_while_it_is_stored(stored_project, tmp_path):
    """Size and time of the file stay as they were."""

    @stored_project.Schema("lab")
    class Report(dj.Manual):
        definition = """
        id : int32
        ---
        file : <attach@>
        """

    file = tmp_path / "report.bin"
    file.write_bytes(bytes(64 << 20))
    before = file.stat()
    stop = threading.Event()

    def keep_changing():
        number = 0
        with open(file, "r+b") as opened:
            while not stop.is_set():
                number += 1
                opened.seek(number * 4096 % before.st_size)
                opened.write(os.urandom(4096))
                opened.flush()
                os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    thread = threading.Thread(target=keep_changing)
    thread.start()
    try:
        with pytest.raises(DataJointError, match="changed while it was being stored"):
            for number in range(5):
                Report.insert1({"id": number, "file": str(file)})
    finally:
        stop.set()
        thread.join()
    for row in Report.to_dicts():
        assert os.path.getsize(row["file"]) == before.st_size
