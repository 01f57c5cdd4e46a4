"""The forecaster measured without oracles: the figures of a whole run, and a run that ends early says so."""

from __future__ import annotations

from benchmarks.forecast_plain import measure
from scheduler.simulation.costs import Costs
from scheduler.simulation.run import ESTIMATOR, simulate, usual_forecasters
from scheduler.simulation.synthetic import synthetic_trace


def test_figures_are_those_of_a_whole_run() -> None:
    trace, costs = synthetic_trace("drift", slots=2, jobs=40, seed=5), Costs()
    known = usual_forecasters(trace, costs, 5)
    whole = simulate(trace, slots=2, costs=costs, seed=5, forecasters={name: known[name] for name in known if name != "oracle"})
    found = measure(("drift", 5), 40, 2, 600.0)
    assert found["jobs"] == 40 and found["parts"]["jobs"]
    assert found["reached"] == {name: whole.totals[name] for name in found["reached"]}
    assert found["baselines"] == whole.baselines
    assert ESTIMATOR not in found["baselines"]


def test_trace_that_did_not_come_to_its_end_is_missed() -> None:
    found = measure(("drift", 5), 40, 2, 0.0)
    assert found["jobs"] == 0
    assert not any(found["parts"].values()) and not found["is_reached"]
