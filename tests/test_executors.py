"""Populate on the executors of other libraries, where they are installed."""

import pytest

from test_workers import calls, fill, pipeline

__all__ = ["pipeline"]

pytestmark = pytest.mark.databases("postgresql")


def test_dask_makes_keys(pipeline, tmp_path):
    distributed = pytest.importorskip("distributed")
    fill(pipeline, 12)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert pipeline.Result.populate(executor=client, max_calls=4)["success_count"] == 4
        pipeline.Item.insert1({"item": -666})
        done = pipeline.Result.populate(executor=client, reserve_jobs=True, suppress_errors=True)
    assert done["success_count"] == 8
    assert done["error_list"] == [({"item": -666}, "ValueError: the number of the beast")]
    assert len(pipeline.Result) == 12 and set(calls(tmp_path).values()) == {1}


def test_ray_makes_keys(pipeline, tmp_path):
    ray = pytest.importorskip("ray")
    fill(pipeline, 6)
    try:
        assert pipeline.Result.populate(executor=ray)["success_count"] == 6
    finally:
        ray.shutdown()
    assert set(calls(tmp_path).values()) == {1}
