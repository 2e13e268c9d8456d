"""The catalogue of metrics: names as Prometheus wants them, and one role for each."""

import pytest

from metrics import catalog
from metrics.catalog import CATALOG, Metric, Shape, of_role
from metrics.exporter import PrometheusRecorder


def test_every_metric_that_is_declared_is_in_the_catalogue() -> None:
    declared = [one for one in vars(catalog).values() if isinstance(one, Metric)]
    assert sorted(one.name for one in declared) == sorted(one.name for one in CATALOG)
    assert len({one.name for one in CATALOG}) == len(CATALOG)


@pytest.mark.parametrize("metric", CATALOG, ids=lambda metric: metric.name)
def test_a_name_says_what_is_measured_in_which_unit(metric: Metric) -> None:
    assert metric.name.startswith("rxpulse_")
    assert metric.name.endswith("_total") == (metric.shape is Shape.COUNTER)
    assert bool(metric.buckets) == (metric.shape is Shape.HISTOGRAM)
    assert metric.meaning and metric.remedy


def test_the_roles_share_the_catalogue_out_among_them() -> None:
    roles = {metric.role for metric in CATALOG}
    assert roles == {"worker", "dispatcher", "console", "intake", "reports"}
    assert sum(len(of_role(role)) for role in roles) == len(CATALOG)


def test_a_role_that_shows_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no metric"):
        of_role("wroker")


def test_a_recorder_of_a_role_shows_its_figures_and_takes_no_others() -> None:
    recorder = PrometheusRecorder("intake")
    recorder.add(catalog.INTAKE_EVENTS, 2)
    assert b"rxpulse_intake_events_total 2.0" in recorder.text()
    assert b"rxpulse_worker" not in recorder.text()
    with pytest.raises(KeyError):
        recorder.set(catalog.PARTITIONS, 1)
