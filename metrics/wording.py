"""Days and lengths as a reader says them: "Tue 10 Nov", "8 to 18 Nov", "45 min"; the same in a report, on a chart and in a
verdict."""

from datetime import date


def day_words(one: date) -> str:
    """The day of the week, the day and the month; no year."""
    return f"{one:%a} {one.day} {one:%b}"


def span_words(first: date, last: date) -> str:
    """From a day to a later one, both in it, the month once where it is the same: "8 to 18 Nov"."""
    month = "" if (first.year, first.month) == (last.year, last.month) else f" {first:%b}"
    return f"{first.day}{month} to {last.day} {last:%b}"


def length_words(minutes: float) -> str:
    """A length in the unit that suits it, with at most two units."""
    if minutes < 1:
        return f"{minutes * 60:.0f} s"
    if minutes < 10:
        return f"{minutes:.1f}".removesuffix(".0") + " min"
    if minutes < 120:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    if hours < 48:
        whole = round(minutes)
        return f"{whole // 60} h {whole % 60:02}" if whole % 60 else f"{whole // 60} h"
    return f"{hours / 24:.1f}".removesuffix(".0") + " d"
