"""Real orders through Kafka: the store, the export and `replay` give the figures that the data set is known for."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pytest
from click.testing import CliRunner, Result

from models import policy_text
from rxpulse.cli import main
from tests.conftest import RunningStack
from tests.live import Live, living, now


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, policy_text.shipped_default()) as one:
        one.env["RXPULSE_PSEUDONYM_KEY"] = "a key that is long enough to be one"
        yield one


def run(live: Live, *arguments: object) -> Result:
    found = CliRunner().invoke(main, [str(word) for word in arguments], env=live.env, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found


def test_real_orders_through_kafka_give_the_figures_they_are_known_for(live: Live, test_data: Path) -> None:
    folder, recent = test_data / "mimic-iv-demo", now().date().isoformat()
    live.worker()
    sent = json.loads(run(live, "import", "mimic", folder, "--rebase", recent, "--to-kafka", "--json").stdout)
    live.await_applied(120.0)
    assert live.one("SELECT sum(accepted) FROM positions") == sent["records"]["events"] > 40_000

    rows = live.folder / "intervals.csv"
    run(live, "export", "intervals", "--out", rows)
    with rows.open(newline="") as stream:
        exported = [row for row in csv.DictReader(stream) if row["clock"] == "order-to-verified"]
    minutes = sorted(float(row["net_seconds"]) / 60 for row in exported)
    assert len(minutes) == 6498 and round(median(minutes), 3) == 6.667
    assert live.one("SELECT count(DISTINCT id) FROM intervals WHERE clock = 'order-to-verified'") == 6498

    file = live.folder / "orders.ndjson"
    run(live, "import", "mimic", folder, "--rebase", recent, "--out", file)
    replayed = json.loads(run(live, "replay", file, "--json").stdout)
    figures = next(row for row in replayed["intervals"] if row["clock"] == "order-to-verified" and row["site"] == "*")
    assert (figures["n"], round(figures["p50"], 3), round(figures["p90"], 3)) == (6498, 6.667, 77.217)
    assert round(figures["max"], 6) == round(minutes[-1], 6)
    assert not live.rows(
        "SELECT 1 FROM signals WHERE told IS DISTINCT FROM 'old' AND raised < now() - interval '1 day'"
    )
    reported_as_exported(live, exported)


def reported_as_exported(live: Live, exported: list[dict[str, str]]) -> None:
    """The weekly report of the site says of its busiest week what the exported turnaround times say of it."""
    weeks = Counter(_week(row) for row in exported)
    busiest = next(week for week, _ in weeks.most_common() if week < "{}-W{:02}".format(*now().isocalendar()))
    lengths = sorted(float(row["net_seconds"]) / 60 for row in exported if _week(row) == busiest)
    said = json.loads(
        run(live, "report", "week", "--site", "mimic", "--period", busiest, "--out", live.folder, "--json").stdout
    )
    (measure,) = (one for one in said["measures"] if one["clock"] == "order-to-verified")
    assert measure["n"] == len(lengths) > 1000
    assert measure["p50"] == pytest.approx(median(lengths), abs=1e-6)
    met = [row["in_target"] == "true" for row in exported if _week(row) == busiest and row["in_target"]]
    assert measure["due"] == len(met)
    assert measure["in_target"] == (pytest.approx(sum(met) / len(met)) if met else None)
    assert f"{measure['p50']:.0f} min" in Path(said["path"]).read_text("utf-8")


def _week(row: dict[str, str]) -> str:
    """The ISO week in which it stopped, in UTC: the policy declares no zone for this site."""
    return "{}-W{:02}".format(*datetime.fromisoformat(row["stopped"]).astimezone(UTC).isocalendar())
