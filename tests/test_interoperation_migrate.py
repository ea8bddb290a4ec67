"""What Lodestore migrates DataJoint 2.3 reads, before and after it is confirmed."""

import numpy as np
import pytest

from test_interoperation import ARRAY, peer, programs, table_of  # noqa: F401  the fixtures

pytestmark = [pytest.mark.databases("postgresql", "mariadb"), pytest.mark.filterwarnings("ignore")]


def array(found):
    return np.asarray(found.load() if hasattr(found, "load") else found)


@pytest.mark.parametrize(("source", "target"), [("<blob>", "<npy@main>"), ("<npy@main>", "<blob>")])
def test_what_one_migrates_the_other_reads(programs, source, target):  # noqa: F811
    definition = "id : int32\n---\nx : %s\nnote = '' : varchar(9)"
    ours = table_of(programs, "lodestore", "Trace", definition % source)
    ours.insert([{"id": n, "x": ARRAY + n} for n in range(3)])
    migration = ours.migrate("x", to=target)
    theirs = table_of(programs, "datajoint", "Trace", definition % target)
    for confirmed in (False, True):
        if confirmed:
            migration.confirm()
        assert theirs().heading.names == ["id", "x", "note"]
        for row in theirs().to_dicts(order_by="id"):
            np.testing.assert_array_equal(array(row["x"]), ARRAY + row["id"])
    theirs().insert1({"id": 9, "x": ARRAY})
    np.testing.assert_array_equal(array((ours & "id = 9").fetch1("x")), ARRAY)
