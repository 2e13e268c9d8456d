"""Who of several workers holds which partitions, and who writes."""

from collections import Counter

from tests.faults.trial import Trial

_WHO_WRITES = """
CREATE TABLE wrote (who text);
CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN INSERT INTO wrote VALUES (current_setting('application_name')); RETURN NULL; END $$;
CREATE TRIGGER written AFTER UPDATE ON positions FOR EACH ROW EXECUTE FUNCTION write_down();
"""
"""Every session that moves a position is written down by its name. Epochs would not tell: a woken worker may
ask the group for partitions once more before it ends, and each sharing out is a new epoch."""


def owners(trial: Trial) -> Counter[str]:
    """How many partitions each worker holds."""
    rows = trial.rows("SELECT owner FROM positions WHERE owner IS NOT NULL")
    return Counter(owner.split("-")[1] for (owner,) in rows)


def write_down_who_writes(trial: Trial) -> None:
    """From now on it is known who moves a position."""
    trial.database.execute(_WHO_WRITES)


def writers(trial: Trial) -> set[str]:
    """The workers that have moved a position since."""
    return {who.split("-")[1] for (who,) in trial.rows("SELECT DISTINCT who FROM wrote")}
