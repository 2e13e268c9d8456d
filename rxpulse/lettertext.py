"""A dead letter as people and programs get to see it: without its content in lists, and harmless to a terminal elsewhere."""

from datetime import datetime

from models.wire import Decoded, Rejected, stamp
from streams.letters import Letter, remedy

Row = dict[str, object]


def row(letter: Letter, today: Decoded | Rejected, sent: datetime | None) -> Row:
    """Everything but the content. `today` is what holds of it now; `sent` when it was last sent again, None: never, or
    nobody knows."""
    why = letter.why
    refused = today if isinstance(today, Rejected) else None
    return {
        "id": str(letter.place),
        "at": stamp(why.at),
        "reason": why.reason,
        "detail": why.detail,
        "topic": why.topic,
        "partition": _number(why.partition),
        "offset": _number(why.offset),
        "bytes": len(letter.value),
        "cut_from_bytes": letter.cut_from,
        "today": None if refused is None else {"reason": refused.reason, "detail": refused.detail},
        "remedy": remedy(letter, today),
        "replayed": None if sent is None else stamp(sent),
    }


def line(one: Row) -> str:
    """A row of a list."""
    often = "once" if one["times"] == 1 else f"{one['times']} times"
    today = "in order" if one["today"] is None else "refused"
    sent = f", replayed {one['replayed']}" if one["replayed"] else ""
    place = f"{one['topic']} {one['partition']}:{one['offset']}"
    at = f"{str(one['at']).partition('.')[0].removesuffix('Z')}Z"
    return printable(
        f"{one['id']:<10} {at:<20} {one['reason']:<20} {place:<24} {one['bytes']:>8} B  {often}; {today}{sent}"
    )


def described(one: Row) -> str:
    """A letter for people; the content where it is among what may be shown."""
    refused = one["today"]
    today = "in order" if refused is None else f"refused: {refused['reason']}: {refused['detail']}"  # type: ignore[index]
    cut = f", cut from {one['cut_from_bytes']}" if one["cut_from_bytes"] is not None else ""
    told = {
        "id": one["id"],
        "put aside": one["at"],
        "because": f"{one['reason']}: {one['detail']}",
        "came from": f"{one['topic']} partition {one['partition']} offset {one['offset']}",
        "size": f"{one['bytes']} bytes{cut}",
        "today": today,
        "replayed": one["replayed"] or "never, as far as is known",
        "do": one["remedy"],
    }
    shown = {name: one[name] for name in ("key", "content") if one.get(name) is not None}
    told |= {name: f"({value['as']}) {value['text']}" for name, value in shown.items()}  # type: ignore[index]
    return "\n".join(f"{name:<10} {printable(str(value))}" for name, value in told.items())


def content(value: bytes) -> dict[str, str]:
    """Bytes as text, or in hexadecimal digits where they are no UTF-8."""
    try:
        return {"as": "text", "text": value.decode()}
    except UnicodeDecodeError:
        return {"as": "hex", "text": value.hex()}


def printable(text: str) -> str:
    """The text with everything spelled out that a terminal would obey or hide."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
