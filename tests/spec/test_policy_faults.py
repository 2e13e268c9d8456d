"""Every fault and every warning of a policy file, each with its file, its line, its entry and what to write instead."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from models.policy_text import PolicyFault, read
from models.policy_text import _parsed as judged
from models.policy_text.merging import read_toml

CLOCK = """\
[clock.x]
case = "order"
starts = "rx.order.entered"
stops = "rx.order.verified"
severity = "S2"
"""
RATE = """\
[rate.x]
opportunity = "rx.pv2.verified"
error = "rx.pv2.failed"
per_month = 6500
baseline = 0.03
detect = 2.0
false_alarms_per_month = 1
severity = "S3"
"""
SITE = """\
[site.mercy]
setting = "retail"
timezone = "UTC"
"""
ROSTER = """\
[person.ana]
[person.ben]
[roster.lead]
rotation = ["ana"]
timezone = "UTC"
from = "2026-11-02"
"""
LADDER = """\
[person.ana]
[person.ben]
[ladder.urgent]
"""
STEPS = LADDER + 'steps = [{ after = "0s", to = ["person:ana"], by = ["inbox"] }]\n'

FAULTS = {
    # The file as a whole.
    "no TOML": ("[clock\n", 1, "", "not TOML: expected ']' at the end of a table declaration"),
    "an unknown table": ('[clocks.x]\ntarget = "5m"\n', 1, "clocks", 'unknown key; did you mean "clock"?'),
    "an unknown key": (
        '[clock.stat-verified]\ntarget = "5m"\nwarning_at = 0.5\n',
        3,
        "clock.stat-verified.warning_at",
        'unknown key; did you mean "warn_at"?',
    ),
    "a policy that does not ship": (
        'extends = "hospital"\n',
        1,
        "extends",
        '"hospital" is not a shipped policy; write one of inpatient, none, retail, specialty',
    ),
    "none beside another policy": (
        'extends = ["none", "retail"]\n',
        1,
        "extends",
        '"none" stands alone; take it out, or the others',
    ),
    "a policy twice": ('extends = ["retail", "retail"]\n', 1, "extends", "one policy stands twice; name it once"),
    "a name that differs by case only": (
        '[clock.Stat-verified]\ncase = "order"\nstarts = "rx.order.entered"\nstops = "rx.order.verified"\n',
        1,
        "clock.Stat-verified",
        '"Stat-verified" is taken; see that it differs from "stat-verified" by more than case',
    ),
    # Sites and feeds.
    "two sites of one name": (
        '[site.a]\nname = "Mercy"\nsetting = "retail"\ntimezone = "UTC"\n'
        '[site.b]\nname = "Mercy"\nsetting = "retail"\ntimezone = "UTC"\n',
        6,
        "site.b.name",
        '"Mercy" is taken; see that it has another name than "a"',
    ),
    "a site without a time zone": (
        '[site.mercy]\nsetting = "retail"\n',
        1,
        "site.mercy",
        '"timezone" is missing; add it',
    ),
    "an unknown setting": (
        '[site.mercy]\nsetting = "hospital"\ntimezone = "UTC"\n',
        2,
        "site.mercy.setting",
        '"hospital" is not a setting; write one of inpatient, retail, specialty',
    ),
    "an unknown time zone": (
        '[site.mercy]\nsetting = "retail"\ntimezone = "America/New_Yorc"\n',
        3,
        "site.mercy.timezone",
        'time zone "America/New_Yorc" does not exist; write an IANA name such as America/New_York',
    ),
    "a day in two keys of open": (
        SITE + 'open = { mon-fri = "08:00-21:00", wed = "09:00-12:00" }\n',
        4,
        "site.mercy.open",
        "open.wed: wed stands in two keys; name each day once",
    ),
    "opening past midnight": (
        SITE + 'open = { fri = "20:00-02:00" }\n',
        4,
        "site.mercy.open",
        'open.fri = "20:00-02:00": closes before it opens; past midnight is two entries, cut at 24:00',
    ),
    "opening after 24:00": (
        SITE + 'open = { fri = "20:00-25:00" }\n',
        4,
        "site.mercy.open",
        'open.fri = "20:00-25:00": a day ends at 24:00; past midnight is an entry of the next day',
    ),
    "a holiday that is no date": (
        SITE + 'holidays = ["us-federal", "24 Dec"]\n',
        4,
        "site.mercy.holidays",
        '"24 Dec" is no holiday; write "us-federal", or a date such as "2026-12-24"',
    ),
    "an undeclared site where those are refused": (
        "strict_sites = true\n" + SITE + '[clock.stat-verified]\nsites = ["mercey"]\n',
        6,
        "clock.stat-verified.sites",
        '"mercey" is not declared, and strict_sites is set; did you mean "mercy"?',
    ),
    "a feed that may never be silent": (
        '[feed."/mercy/pis"]\nsilent_after = "0s"\n',
        2,
        'feed."/mercy/pis".silent_after',
        '"0s" is no time at all; write a duration above 0',
    ),
    # Clocks.
    "a clock that never stops": (
        '[clock.x]\ncase = "order"\nstarts = "rx.order.entered"\n',
        1,
        "clock.x",
        '"stops" is missing; add it, or switch the entry off with enabled = false',
    ),
    "a target without a severity": (
        CLOCK.replace('severity = "S2"', 'target = "5m"'),
        1,
        "clock.x",
        '"severity" is missing; add it, or switch the entry off with enabled = false',
    ),
    "an unknown event type": (
        '[clock.stat-verified]\nstops = "rx.order.verifed"\n',
        2,
        "clock.stat-verified.stops",
        '"rx.order.verifed" is not an event type; did you mean "rx.order.verified"?',
    ),
    "a type of another kind of case": (
        CLOCK.replace("rx.order.verified", "rx.sold"),
        4,
        "clock.x.stops",
        '"rx.sold" never happens on a case of kind "order"; name a type of that kind',
    ),
    "a clock that starts and stops with one event": (
        CLOCK.replace("rx.order.verified", "rx.order.entered"),
        4,
        "clock.x.stops",
        '"rx.order.entered" stands in both starts and stops; take it out of one of them',
    ),
    "one type in starts and ends": (
        CLOCK + 'ends = "rx.order.entered"\n',
        6,
        "clock.x.ends",
        '"rx.order.entered" stands in both starts and ends; take it out of one of them',
    ),
    "one type in stops and ends": (
        CLOCK + 'ends = ["rx.order.discontinued", "rx.order.verified"]\n',
        6,
        "clock.x.ends",
        '"rx.order.verified" stands in both stops and ends; take it out of one of them',
    ),
    "a pause that begins and ends with one type": (
        CLOCK + 'pauses = [{ from = "rx.order.held", to = "rx.order.held" }]\n',
        6,
        "clock.x.pauses[1]",
        '"rx.order.held" stands in both from and to; a pause ends with another event than it begins',
    ),
    "a pause without an end": (
        CLOCK + 'pauses = [{ from = "rx.order.held" }]\n',
        6,
        "clock.x.pauses[1]",
        '"to" is missing; add it',
    ),
    "a target that is no duration": (
        '[clock.stat-verified]\ntarget = "soon"\n',
        2,
        "clock.stat-verified.target",
        '"soon" is not a duration or a number of business days; write for instance "15m" or "3bd"',
    ),
    "a target of no time": (
        '[clock.stat-verified]\ntarget = "0m"\n',
        2,
        "clock.stat-verified.target",
        '"0m" is no time at all; write a duration above 0',
    ),
    "a target beyond ten years": (
        '[clock.stat-verified]\ntarget = "9999d"\n',
        2,
        "clock.stat-verified.target",
        '"9999d" is longer than ten years; write a shorter duration',
    ),
    "a target in a field that is no time": (
        '[clock.stat-verified]\ntarget = { field = "priority" }\n',
        2,
        "clock.stat-verified.target.field",
        '"priority" is not a field that is a time; write one of promised',
    ),
    "business days with opening hours": (
        CLOCK + 'target = "1bd"\ncounts = "open-hours"\n',
        7,
        "clock.x.counts",
        "a target in business days counts by itself; take counts out, or write the target in hours",
    ),
    "business days with elapsed time": (
        CLOCK + 'target = "1bd"\ncounts = "elapsed"\n',
        7,
        "clock.x.counts",
        "a target in business days counts by itself; take counts out, or write the target in hours",
    ),
    "a warning at the target": (
        "[clock.stat-verified]\nwarn_at = 1.0\n",
        2,
        "clock.stat-verified.warn_at",
        "1 is not below 1; write a share of the target, for instance 0.5",
    ),
    "a warning at the start": (
        "[clock.stat-verified]\nwarn_at = 0\n",
        2,
        "clock.stat-verified.warn_at",
        "0 is not above 0; write a share of the target, for instance 0.5",
    ),
    "a warning without a target": (
        CLOCK + "warn_at = 0.5\n",
        6,
        "clock.x.warn_at",
        "warn_at is a share of the target, and there is none; add a target",
    ),
    "worse by no severity": (
        CLOCK + 'target = "10m"\nworsens = [{ at = 2.0, severity = "S2" }]\n',
        7,
        "clock.x.worsens[1]",
        "does not rise: after S2 at 1 times the target has to come a more urgent severity, later",
    ),
    "worse at an earlier time": (
        CLOCK.replace("S2", "S3")
        + 'target = "10m"\nworsens = [\n  { at = 2.0, severity = "S2" },\n  { at = 1.5, severity = "S1" },\n]\n',
        9,
        "clock.x.worsens[2]",
        "does not rise: after S2 at 2 times the target has to come a more urgent severity, later",
    ),
    "an unknown field": (
        '[clock.stat-verified]\nwhen = { prio = "stat" }\n',
        2,
        "clock.stat-verified.when.prio",
        'unknown key; did you mean "priority"?',
    ),
    "a value that never matches": (
        '[clock.stat-verified]\nwhen = { qty = "one" }\n',
        2,
        "clock.stat-verified.when.qty",
        '"one" never matches: qty holds numbers',
    ),
    # Rules and rates.
    "an unknown rule": (
        '[rule.sold-before-final-chek]\nseverity = "S1"\n',
        1,
        "rule.sold-before-final-chek",
        'unknown key; did you mean "sold-before-final-check"?',
    ),
    "errors of both sorts": (
        RATE.replace('error = "rx.pv2.failed"', 'error = ["rx.pv2.failed", "rx.pv2.verified"]'),
        3,
        "rate.x.error",
        "some types are opportunities too and some are not; list only the one sort or the other",
    ),
    "a rate that two errors would raise": (
        RATE.replace("6500", "40"),
        1,
        "rate.x",
        "false_alarms_per_month = 1, detect = 2: two errors in a row would raise the signal; "
        "ask for fewer false alarms or a smaller change",
    ),
    "a change too small to find": (
        RATE.replace("2.0", "1.05"),
        1,
        "rate.x",
        "detect = 1.05: write an odds ratio of at least 1.1, such as 2.0",
    ),
    "a baseline of nothing": (
        RATE.replace("0.03", "0"),
        5,
        "rate.x.baseline",
        "0 is not above 0; write errors per opportunity when all is as usual, for instance 0.05",
    ),
    # People and rosters.
    "an e-mail address that is none": (
        '[person.ana]\nemail = "ana"\n',
        2,
        "person.ana.email",
        '"ana" is not an e-mail address; write for instance "ana@example.org"',
    ),
    "an empty rotation": (
        ROSTER.replace('["ana"]', "[]"),
        4,
        "roster.lead.rotation",
        "an empty list; name at least one",
    ),
    "a rotation with somebody unknown": (
        ROSTER.replace('["ana"]', '["anna"]'),
        4,
        "roster.lead.rotation",
        'there is no person "anna"; did you mean "ana"?',
    ),
    "a rotation of several without a handover": (
        ROSTER.replace('["ana"]', '["ana", "ben"]'),
        3,
        "roster.lead",
        'several people take turns, so it needs a handover; write for instance handover = "mon 07:00"',
    ),
    "a handover that is no time": (
        ROSTER + 'handover = "monday 7"\n',
        7,
        "roster.lead.handover",
        '"monday 7" is not a time of day, or a weekday and a time; write for instance "mon 07:00" or "07:00"',
    ),
    "a roster without a time zone": (
        ROSTER.replace('timezone = "UTC"\n', ""),
        3,
        "roster.lead",
        '"timezone" is missing; add it',
    ),
    "a roster in no time zone": (
        ROSTER.replace("UTC", "Mars"),
        5,
        "roster.lead.timezone",
        'time zone "Mars" does not exist; write an IANA name such as America/New_York',
    ),
    "an override that ends before it begins": (
        ROSTER + 'overrides = [{ from = "2026-12-26T07:00", to = "2026-12-24T07:00", who = "ben" }]\n',
        7,
        "roster.lead.overrides[1].to",
        "does not lie after from; write a later time",
    ),
    "an override that ends as it begins": (
        ROSTER + 'overrides = [{ from = "2026-12-26T07:00", to = "2026-12-26T07:00", who = "ben" }]\n',
        7,
        "roster.lead.overrides[1].to",
        "does not lie after from; write a later time",
    ),
    "an override that names nobody known": (
        ROSTER + 'overrides = [{ from = "2026-12-24T07:00", to = "2026-12-26T07:00", who = "bob" }]\n',
        7,
        "roster.lead.overrides[1].who",
        'there is no person "bob"; write one of ana, ben',
    ),
    "an override from a bare date": (
        ROSTER + 'overrides = [\n  { from = "2026-12-24", to = "2026-12-26T07:00", who = "ben" },\n]\n',
        8,
        "roster.lead.overrides[1].from",
        '"2026-12-24" is not a local time without offset; write for instance "2026-12-24T07:00"',
    ),
    "an override with an offset": (
        ROSTER + 'overrides = [{ from = "2026-12-24T07:00", to = "2026-12-26T07:00+01:00", who = "ben" }]\n',
        7,
        "roster.lead.overrides[1].to",
        '"2026-12-26T07:00+01:00" is not a local time without offset; write for instance "2026-12-24T07:00"',
    ),
    # Ladders and channels.
    "a ladder for the worker as a kind": (
        STEPS + 'for = { kind = ["worker"] }\n',
        5,
        "ladder.urgent.for.kind[1]",
        '"worker" is not a kind of signal; for RxPulse\'s own worker write kind = ["feed"], name = ["worker"]',
    ),
    "a ladder without steps": (
        LADDER + 'for = { severity = "S1" }\n',
        3,
        "ladder.urgent",
        '"steps" is missing; add it',
    ),
    "a ladder of no steps": (LADDER + "steps = []\n", 4, "ladder.urgent.steps", "an empty list; name at least one"),
    "a step to nobody": (
        LADDER + 'steps = [{ after = "0s", to = [], by = ["inbox"] }]\n',
        4,
        "ladder.urgent.steps[1].to",
        "an empty list; name at least one",
    ),
    "a step to somebody unknown": (
        LADDER + 'steps = [{ after = "0s", to = ["person:anna"], by = ["inbox"] }]\n',
        4,
        "ladder.urgent.steps[1].to",
        'there is no person "anna"; did you mean "ana"?',
    ),
    "a step to a roster where there is none": (
        LADDER + 'steps = [{ after = "0s", to = ["roster:lead"], by = ["inbox"] }]\n',
        4,
        "ladder.urgent.steps[1].to",
        'there is no roster "lead"; add [roster.lead]',
    ),
    "a step to a bare name": (
        LADDER + 'steps = [{ after = "0s", to = ["ana"], by = ["inbox"] }]\n',
        4,
        "ladder.urgent.steps[1].to[1]",
        '"ana" is not whom to tell; write for instance "person:ana" or "roster:lead-pharmacist"',
    ),
    "a step without a channel": (
        LADDER + 'steps = [{ after = "0s", to = ["person:ana"] }]\n',
        4,
        "ladder.urgent.steps[1]",
        '"by" is missing; add it',
    ),
    "a step by a channel that does not exist": (
        LADDER + 'steps = [{ after = "0s", to = ["person:ana"], by = ["sms"] }]\n',
        4,
        "ladder.urgent.steps[1].by[1]",
        '"sms" is not a channel; write one of email, inbox, webhook',
    ),
    "a step by a channel that is not set up": (
        LADDER + 'steps = [{ after = "0s", to = ["person:ana"], by = ["email"] }]\n',
        4,
        "ladder.urgent.steps[1].by",
        'e-mail is not set up; add [channel.email] with smtp = "smtp://HOST:25" and from',
    ),
    "a step after business days": (
        LADDER + 'steps = [{ after = "1bd", to = ["person:ana"], by = ["inbox"] }]\n',
        4,
        "ladder.urgent.steps[1].after",
        '"1bd" is not a duration; write for instance "15m" or "2d"',
    ),
    "a step before the one above it": (
        LADDER + "steps = [\n"
        '  { after = "5m", to = ["person:ana"], by = ["inbox"] },\n'
        '  { after = "1m", to = ["person:ben"], by = ["inbox"] },\n]\n',
        6,
        "ladder.urgent.steps[2].after",
        "comes before the step above it; put the steps in the order of their after",
    ),
    "a repetition after business days": (
        STEPS + 'repeat = { after = "1bd" }\n',
        5,
        "ladder.urgent.repeat.after",
        '"1bd" is not a duration; write for instance "15m" or "2d"',
    ),
    "negative times": (
        STEPS + "repeat = { times = -1 }\n",
        5,
        "ladder.urgent.repeat.times",
        "-1 is not at least 0; write how many further loops, for instance 3",
    ),
    "a repetition from a step that is none": (
        STEPS + "repeat = { from_step = 2 }\n",
        5,
        "ladder.urgent.repeat.from_step",
        "there is no step 2; steps count from 1 to 1",
    ),
    "a repetition from step 0": (
        STEPS + "repeat = { from_step = 0 }\n",
        5,
        "ladder.urgent.repeat.from_step",
        "0 is not at least 1; write a step, counted from 1, for instance 1",
    ),
    "an acknowledgement for business days": (
        STEPS + 'ack_expires = "1bd"\n',
        5,
        "ladder.urgent.ack_expires",
        '"1bd" is not a duration, or "none"; write for instance "15m" or "none"',
    ),
    "a mail server that is not named": (
        '[channel.email]\nfrom = "rx@example.org"\n',
        1,
        "channel.email",
        '"smtp" is missing; add it',
    ),
    "a user of the mail server without a password": (
        '[channel.email]\nsmtp = "smtp://mail.example.org:587"\nuser = "rxpulse"\n',
        1,
        "channel.email",
        '"password_file" is missing; add it',
    ),
    "a password in the address of the mail server": (
        '[channel.email]\nsmtp = "smtps://rxpulse:secret@mail.example.org"\n',
        2,
        "channel.email.smtp",
        '"smtps://rxpulse:secret@mail.example.org" is not a mail server without user and password; write for instance'
        ' "smtp://localhost:2525"',
    ),
    "a mail server at a port that is none": (
        '[channel.email]\nsmtp = "smtp://mail.example.org:65536"\n',
        2,
        "channel.email.smtp",
        '"smtp://mail.example.org:65536" is not a mail server without user and password; write for instance'
        ' "smtp://localhost:2525"',
    ),
    "old news counted in business days": (
        '[tell]\nwithin = "1bd"\n',
        2,
        "tell.within",
        '"1bd" is not a duration; write for instance "15m" or "2d"',
    ),
}

ALL = '[ladder.all]\nsteps = [{ after = "9m", to = ["person:cay"], by = ["inbox"] }]\n[person.cay]\n'
"""Somebody is told of everything, so that nothing else is worth a second look."""
CAUTIONS = {
    "nobody told of S1": (
        STEPS + 'for = { severity = "S2" }\n',
        None,
        "",
        "no ladder takes S1 signals: they would stand on the board only; "
        'add a [ladder.NAME] with for = { severity = ["S1"] }',
    ),
    "nobody told of S2 at one of two sites": (
        SITE
        + '[site.north]\nsetting = "inpatient"\ntimezone = "UTC"\n'
        + STEPS
        + 'for = { severity = "S1" }\n[ladder.mercy]\nfor = { severity = "S2", site = "mercy" }\n'
        'steps = [{ after = "0s", to = ["person:ana"], by = ["inbox"] }]\n',
        None,
        "",
        "no ladder takes S2 signals of north: they would stand on the board only; "
        'add a [ladder.NAME] with for = { severity = ["S2"], site = ["north"] }',
    ),
    "nobody told of S1 in settings of which no site is declared": (
        STEPS + 'for = { severity = "S2" }\n[ladder.stat]\nfor = { severity = "S1", setting = "inpatient" }\n'
        'steps = [{ after = "0s", to = ["person:ana"], by = ["inbox"] }]\n',
        None,
        "",
        "no ladder takes S1 signals of retail and specialty: they would stand on the board only; "
        'add a [ladder.NAME] with for = { severity = ["S1"], setting = ["retail", "specialty"] }',
    ),
    "nobody told of S1 of some kinds": (
        STEPS + 'for = { severity = "S2" }\n[ladder.stat]\nfor = { severity = "S1", kind = ["clock", "rule"] }\n'
        'steps = [{ after = "0s", to = ["person:ana"], by = ["inbox"] }]\n',
        None,
        "",
        "no ladder takes S1 signals of kind feed and rate: they would stand on the board only; "
        'add a [ladder.NAME] with for = { severity = ["S1"], kind = ["feed", "rate"] }',
    ),
    "nobody told of S1 but by the name of an entry": (
        STEPS + 'for = { severity = "S2" }\n[ladder.stat]\nfor = { severity = "S1", name = "stat-verified" }\n'
        'steps = [{ after = "0s", to = ["person:ana"], by = ["inbox"] }]\n',
        None,
        "",
        "no ladder takes S1 signals: they would stand on the board only; "
        'add a [ladder.NAME] with for = { severity = ["S1"] }',
    ),
    "two steps at one time to one target": (
        LADDER + "steps = [\n"
        '  { after = "1m", to = ["person:ana"], by = ["inbox"] },\n'
        '  { after = "1m", to = ["person:ana"], by = ["inbox"] },\n]\n' + ALL,
        6,
        "ladder.urgent.steps[2]",
        "two steps with one `after` tell ana; move one of them later",
    ),
    "a person without a webhook": (
        LADDER + 'steps = [{ after = "0s", to = ["person:ana"], by = ["webhook", "inbox"] }]\n' + ALL,
        4,
        "ladder.urgent.steps[1]",
        "ana has no webhook; add webhook to [person.ana]",
    ),
    "a person without an e-mail address": (
        '[channel.email]\nsmtp = "smtp://localhost:25"\n'
        + LADDER
        + 'steps = [{ after = "0s", to = ["person:ana"], by = ["email"] }]\n'
        + ALL,
        6,
        "ladder.urgent.steps[1]",
        "ana has no e-mail address; add email to [person.ana]",
    ),
    "somebody of a roster without an address": (
        ROSTER + '[ladder.urgent]\nsteps = [{ after = "0s", to = ["roster:lead"], by = ["webhook"] }]\n' + ALL,
        8,
        "ladder.urgent.steps[1]",
        "ana has no webhook; add webhook to [person.ana]",
    ),
}


@pytest.mark.parametrize(("text", "line", "entry", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_names_file_line_entry_and_remedy_and_is_the_only_one(
    text: str, line: int, entry: str, message: str
) -> None:
    with pytest.raises(PolicyFault) as caught:
        read(text, file="site.toml")
    [fault] = caught.value.faults
    assert (fault.file, fault.line, fault.key, fault.message) == ("site.toml", line, entry, message)
    assert str(caught.value) == f"site.toml:{line}: {f'{entry}: ' if entry else ''}{message}"


@pytest.mark.parametrize(("text", "line", "entry", "message"), CAUTIONS.values(), ids=CAUTIONS)
def test_a_warning_names_file_line_entry_and_remedy_and_the_policy_can_be_used(
    text: str, line: int | None, entry: str, message: str
) -> None:
    [caution] = read(text, file="site.toml").cautions
    assert (caution.file, caution.line, caution.key, caution.message) == ("site.toml", line, entry, message)


def test_every_fault_of_a_file_is_told_at_once_in_the_order_of_its_lines() -> None:
    with pytest.raises(PolicyFault) as caught:
        read(SITE + 'holidays = "Easter"\n' + CLOCK + 'target = "soon"\n', file="site.toml")
    assert [fault.line for fault in caught.value.faults] == [4, 10]


@pytest.mark.parametrize(
    "text",
    [
        ALL,
        # SITE is of that setting: what is narrow on paper takes all that there is here.
        SITE + STEPS + 'for = { severity = ["S1", "S2"], setting = "retail" }\n',
        SITE
        + STEPS
        + 'for = { kind = ["clock", "rule"] }\n[ladder.more]\nfor = { kind = ["rate", "feed"], site = "mercy" }\n'
        'steps = [{ after = "0s", to = ["person:ana"], by = ["inbox"] }]\n',
    ],
)
def test_a_file_without_faults_that_tells_somebody_of_everything_has_no_warning(text: str) -> None:
    assert read(text, file="site.toml").cautions == ()


MANY = """\
[clock.x]
case = "ordr"
starts = ["rx.order.entered", "rx.nonsense"]
stops = "rx.order.entered"
severty = "S2"
target = "0m"
warn_at = 2
worsens = [{ at = 3.0, severity = "S1" }, { at = 2.0, severity = "S9" }]
when = { priorty = "stat", qty = "many" }

[site.mercy]
setting = "hospital"
timezone = "Amercia/New_York"
open = { mon = "8-9" }

[person.ana]
email = 5

[roster.lead]
rotation = ["ana", "bob"]
timezone = "Nowhere/Land"
handover = "noon"
overrides = [{ from = "2026-12-24T07:00", who = "cid" }, 5, { from = "2026-12-26T07:00", to = "2026-12-24T07:00", who = "ana" }]

[ladder.urgent]
for = { severity = "S7" }
steps = [
  { after = "5x", to = ["person:ana"], by = ["inbox"] },
  { after = "5m", to = ["person:dan"], by = ["email"] },
  { after = "1m", to = ["roster:led"] },
]
repeat = { from_step = 9, times = -1 }
ack_expires = "0m"
[rate.r]
opportunity = "rx.pv2.verified"
error = ["rx.pv2.verified", "rx.pv2.failed"]
per_month = 0
"""
EACH_OF_MANY = [
    "2 clock.x.case",
    "3 clock.x.starts[2]",
    "4 clock.x.stops",
    "5 clock.x.severty",
    "6 clock.x.target",
    "7 clock.x.warn_at",
    "8 clock.x.worsens[2].severity",
    "9 clock.x.when.priorty",
    "9 clock.x.when.qty",
    "12 site.mercy.setting",
    "13 site.mercy.timezone",
    "14 site.mercy.open",
    "17 person.ana.email",
    "19 roster.lead",
    "20 roster.lead.rotation",
    "21 roster.lead.timezone",
    "22 roster.lead.handover",
    "23 roster.lead.overrides[2]",
    "23 roster.lead.overrides[1]",
    "23 roster.lead.overrides[1].who",
    "23 roster.lead.overrides[3].to",
    "26 ladder.urgent.for.severity",
    "28 ladder.urgent.steps[1].after",
    "29 ladder.urgent.steps[2].to",
    "29 ladder.urgent.steps[2].by",
    "30 ladder.urgent.steps[3]",
    "30 ladder.urgent.steps[3].after",
    "30 ladder.urgent.steps[3].to",
    "32 ladder.urgent.repeat.times",
    "32 ladder.urgent.repeat.from_step",
    "33 ladder.urgent.ack_expires",
    "34 rate.r",
    "34 rate.r",
    "34 rate.r",
    "34 rate.r",
    "36 rate.r.error",
    "37 rate.r.per_month",
]


def test_no_fault_of_an_entry_hides_another_and_none_follows_from_another() -> None:
    with pytest.raises(PolicyFault) as caught:
        read(MANY, file="site.toml")
    assert [f"{fault.line} {fault.key}" for fault in caught.value.faults] == EACH_OF_MANY


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every path into nested tables and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield (*path, key)
        yield from places(below, (*path, key))


def put(tables: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """A copy of the tables with another value at a path."""
    changed: Any = deepcopy(tables)
    at = changed
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return changed


@pytest.mark.parametrize("junk", [5, "?", [], {}, [{}], {"strange": True}], ids=str)
def test_whatever_stands_wherever_in_a_file_it_is_judged_and_never_a_crash(junk: object) -> None:
    whole = read_toml('extends = "none"\n' + MANY, "site.toml")
    found, paths = 0, list(places(dict(whole.tables)))
    for path in paths:
        try:
            judged(replace(whole, tables=put(dict(whole.tables), path, junk)))
        except PolicyFault as fault:
            found += bool(fault.faults)
    assert found == len(paths) > 50
