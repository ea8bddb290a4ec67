"""100,000 rows of six columns into a server and out again, beside DataJoint and the bare driver.

Servers are those of the tests: private ones, or those that LODESTORE_TEST_DATABASES and its like name.
"""

import datetime
import io
import tempfile
import warnings

import pandas
from tests import services

from .harness import in_turns, table

ROWS = 100_000
ROUNDS = 3
DEFINITION = """
id : int32
---
count : int64
value : float64
word : varchar(40)
day : date
moment : datetime
"""
COLUMNS = "id, count, value, word, day, moment"


def rows():
    """The rows, as dicts."""
    start = datetime.datetime(2020, 1, 1)
    for id in range(ROWS):
        moment = start + datetime.timedelta(seconds=37 * id)
        yield {
            "id": id,
            "count": id * 1_000_003,
            "value": id * 0.37,
            "word": f"word number {id % 1000}",
            "day": moment.date(),
            "moment": moment,
        }


def declared(project, module, name):
    """A table of the project of Lodestore or of the peer."""
    schema = project.Schema(name)
    return schema(type("Measurement", (module.Manual,), {"definition": DEFINITION}))


def bare_postgresql(database):
    """What psycopg2 does by itself: COPY in, tuples out."""
    connection = database.connect(database.database)
    cursor = connection.cursor()

    def insert(data, name):
        text = "".join("\t".join(map(str, row.values())) + "\n" for row in data)
        cursor.copy_expert(f'COPY "{name}"."measurement" ({COLUMNS}) FROM STDIN', io.StringIO(text))

    def fetch(name):
        cursor.execute(f'SELECT {COLUMNS} FROM "{name}"."measurement"')
        return cursor.fetchall()

    def frame(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pandas.read_sql(f'SELECT {COLUMNS} FROM "{name}"."measurement"', connection)

    def empty(name):
        cursor.execute(f'TRUNCATE "{name}"."measurement"')

    return insert, fetch, frame, empty


def bare_mysql(database):
    """What PyMySQL does by itself: inserts of many rows, tuples out."""
    connection = database.connect()
    cursor = connection.cursor()

    def insert(data, name):
        places = ", ".join(["%s"] * len(COLUMNS.split(", ")))
        rows = [tuple(row.values()) for row in data]
        connection.begin()
        cursor.executemany(f"INSERT INTO `{name}`.`measurement` ({COLUMNS}) VALUES ({places})", rows)
        connection.commit()

    def fetch(name):
        cursor.execute(f"SELECT {COLUMNS} FROM `{name}`.`measurement`")
        return cursor.fetchall()

    def frame(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pandas.read_sql(f"SELECT {COLUMNS} FROM `{name}`.`measurement`", connection)

    def empty(name):
        cursor.execute(f"TRUNCATE `{name}`.`measurement`")

    return insert, fetch, frame, empty


BARE = {"postgresql": bare_postgresql, "mariadb": bare_mysql, "mysql": bare_mysql}


def compare(name):
    """Inserts and fetches on one server."""
    import datajoint as peer

    import lodestore

    database = services.service(name)
    settings = database.settings
    data = list(rows())
    insert, fetch, frame, empty = BARE[name](database)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = declared(database.open(folder), lodestore, "bench_ours")
        theirs = declared(peer.Instance(**settings), peer, "bench_peer")
        declared(database.open(folder), lodestore, "bench_bare")

        def into(put, schema):
            def work():
                empty(schema)
                put()

            return work

        topics = {
            "insert": (
                into(lambda: ours.insert(data), "bench_ours"),
                into(lambda: theirs.insert(data), "bench_peer"),
                into(lambda: insert(data, "bench_bare"), "bench_bare"),
            ),
            "to_dicts": (ours.to_dicts, theirs.to_dicts, lambda: fetch("bench_bare")),
            "to_arrays": (ours.to_arrays, theirs.to_arrays, lambda: fetch("bench_bare")),
            "to_pandas": (ours.to_pandas, theirs.to_pandas, lambda: frame("bench_bare")),
        }
        lines = []
        for topic, works in topics.items():
            mine, peers, bare = in_turns(*works, rounds=ROUNDS)
            lines.append(
                (
                    topic,
                    *(f"{seconds * 1e3:.0f}" for seconds in (mine, peers, bare)),
                    f"{peers / mine:.1f}x",
                    f"{100 * bare / mine:.0f} %",
                )
            )
        table((name, "ms", "DataJoint", "bare driver", "faster", "of bare"), lines)
        database.clean()


def run():
    for name in services.selected():
        if name in BARE:
            compare(name)
