"""A pipeline for the tests of workers: other processes import it, and find its database by the environment."""

import json
import os
import time

import lodestore as dj

schema = dj.Instance(**json.loads(os.environ["LODESTORE_TEST_PROJECT"])).Schema("queue")


@schema
class Item(dj.Manual):
    definition = "item : int32"


@schema
class Call(dj.Manual):
    definition = """
    # one row for each call of `make` whose transaction was committed
    -> Item
    stamp : int64
    ---
    pid : int64
    """


@schema
class Result(dj.Computed):
    definition = "-> Item\n---\nsquare : int64"

    def make(self, key):
        with open(os.environ["LODESTORE_TEST_LOG"], "a") as log:
            log.write(f"{key['item']}\n")
        end = time.monotonic() + float(os.environ.get("LODESTORE_TEST_SECONDS", "0"))
        # In steps: a signal that comes right before a sleep does not shorten it.
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))
        if key["item"] == -666:
            raise ValueError("the number of the beast")
        Call.insert1({**key, "stamp": time.monotonic_ns(), "pid": os.getpid()})
        self.insert1({**key, "square": key["item"] ** 2})


@schema
class Sum(dj.Computed):
    definition = "-> Result\n---\nplus : int64"

    def make(self, key):
        self.insert1({**key, "plus": (Result & key).fetch1("square") + 1})
