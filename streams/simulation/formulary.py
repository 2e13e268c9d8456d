"""The drugs that the simulated pharmacies handle, how often each is asked for, and which of them are dangerous.

Codes have the form of an NDC and a labeller number that no company has. Schedules, high-alert classes (ISMP) and
look-alike pairs (ISMP's list of confused drug names) are as in life, since the rules and figures depend on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from models.event import Drug


@dataclass(frozen=True, slots=True)
class Product:
    """`weight` is how often it is asked for, relative to its table; `form` decides the way through the pharmacy:
    `cabinet`, `central` or `sterile` in a hospital; empty elsewhere. `price` is in USD a fill or dose."""

    drug: Drug
    weight: float
    form: str
    price: float

    @property
    def controlled(self) -> bool:
        return "schedule" in self.drug


class Formulary:
    """A table of products from which orders are drawn."""

    def __init__(self, products: Sequence[Product]) -> None:
        self.products = tuple(products)
        self._upto = tuple(accumulate(product.weight for product in products))

    def draw(self, chance: Random) -> Product:
        return chance.choices(self.products, cum_weights=self._upto)[0]

    def confused_with(self, product: Product, chance: Random) -> str:
        """The code of what is picked by mistake: its look-alike if it has one, else any other."""
        group = product.drug.get("lasa_group")
        others = [other.drug["code"] for other in self.products if other is not product]
        alike = [
            other.drug["code"]
            for other in self.products
            if group and other is not product and other.drug.get("lasa_group") == group
        ]
        return chance.choice(alike or others)


def _table(text: str) -> Formulary:
    return Formulary([_product(line.split()) for line in text.strip().splitlines()])


def _product(words: list[str]) -> Product:
    """Columns: name, code, weight, form, price, schedule, high alert, look-alike group; a dash says nothing."""
    _, code, weight, form, price, *marks = words
    drug = Drug(code=code, system="ndc")
    for name, mark in zip(("schedule", "high_alert", "lasa_group"), marks, strict=True):
        if mark != "-":
            drug[name] = mark
    return Product(drug, float(weight), "" if form == "-" else form, float(price))


HOSPITAL = _table("""
acetaminophen       99001-0101-01  9  cabinet  0.20  -    -             -
ondansetron         99001-0102-01  7  cabinet  1.10  -    -             -
pantoprazole        99001-0103-01  6  cabinet  0.90  -    -             -
metoprolol          99001-0104-01  6  cabinet  0.30  -    -             metoprolol-metformin
metformin           99001-0105-01  2  cabinet  0.20  -    -             metoprolol-metformin
furosemide          99001-0106-01  5  cabinet  0.80  -    -             -
hydralazine         99001-0107-01  2  cabinet  0.60  -    -             hydralazine-hydroxyzine
hydroxyzine         99001-0108-01  2  cabinet  0.50  -    -             hydralazine-hydroxyzine
morphine            99001-0109-01  4  cabinet  2.10  CII  opioid        morphine-hydromorphone
hydromorphone       99001-0110-01  4  cabinet  2.40  CII  opioid        morphine-hydromorphone
oxycodone           99001-0111-01  5  cabinet  0.60  CII  opioid        -
lorazepam           99001-0112-01  3  cabinet  1.20  CIV  -             -
insulin-lispro      99001-0113-01  6  cabinet  3.90  -    insulin       humalog-humulin
insulin-regular     99001-0114-01  2  cabinet  3.10  -    insulin       humalog-humulin
enoxaparin          99001-0115-01  5  cabinet  5.80  -    anticoagulant -
albuterol           99001-0116-01  4  cabinet  0.70  -    -             -
docusate            99001-0117-01  4  cabinet  0.10  -    -             -
apixaban            99001-0118-01  3  central  8.20  -    anticoagulant -
levetiracetam       99001-0119-01  3  central  1.40  -    -             levetiracetam-levofloxacin
levofloxacin        99001-0120-01  2  central  1.90  -    -             levetiracetam-levofloxacin
tacrolimus          99001-0121-01  1  central  4.40  -    -             -
sertraline          99001-0122-01  3  central  0.30  -    -             -
prednisone          99001-0123-01  2  central  0.20  -    -             prednisone-prednisolone
methotrexate        99001-0124-01  .2 central  2.70  -    chemotherapy  -
vancomycin          99001-0125-01  4  sterile  9.50  -    -             -
piperacillin        99001-0126-01  3  sterile  8.80  -    -             -
cefazolin           99001-0127-01  3  sterile  4.10  -    -             -
heparin-infusion    99001-0128-01  2  sterile  7.40  -    anticoagulant -
potassium-chloride  99001-0129-01  2  sterile  3.20  -    potassium     -
norepinephrine      99001-0130-01  1  sterile  12.6  -    vasopressor   norepinephrine-epinephrine
rocuronium          99001-0131-01  .4 sterile  6.60  -    nmb           -
""")

COMMUNITY = _table("""
atorvastatin        99002-0201-01  9  -  12.4   -    -             -
lisinopril          99002-0202-01  8  -   8.1   -    -             -
levothyroxine       99002-0203-01  8  -  14.2   -    -             -
metformin           99002-0204-01  7  -   9.3   -    -             metoprolol-metformin
metoprolol          99002-0205-01  6  -  10.6   -    -             metoprolol-metformin
amlodipine          99002-0206-01  7  -   8.8   -    -             amlodipine-amiloride
albuterol-inhaler   99002-0207-01  5  -  44.0   -    -             -
omeprazole          99002-0208-01  5  -  13.1   -    -             -
losartan            99002-0209-01  5  -  11.9   -    -             -
gabapentin          99002-0210-01  5  -  15.5   -    -             -
hydrochlorothiazide 99002-0211-01  4  -   7.2   -    -             -
sertraline          99002-0212-01  4  -  12.0   -    -             sertraline-cetirizine
bupropion           99002-0213-01  3  -  21.7   -    -             bupropion-buspirone
buspirone           99002-0214-01  2  -  16.4   -    -             bupropion-buspirone
amoxicillin         99002-0215-01  4  -   9.9   -    -             -
prednisone          99002-0216-01  3  -   8.4   -    -             prednisone-prednisolone
hydralazine         99002-0217-01  1  -  12.8   -    -             hydralazine-hydroxyzine
hydroxyzine         99002-0218-01  2  -  11.3   -    -             hydralazine-hydroxyzine
tramadol            99002-0219-01  2  -  14.9   CIV  opioid        tramadol-trazodone
trazodone           99002-0220-01  3  -  12.2   -    -             tramadol-trazodone
oxycodone           99002-0221-01  2  -  19.6   CII  opioid        -
alprazolam          99002-0222-01  2  -  10.8   CIV  -             alprazolam-lorazepam
methylphenidate     99002-0223-01  2  -  48.3   CII  -             -
insulin-glargine    99002-0224-01  2  - 182.0   -    insulin       -
apixaban            99002-0225-01  2  - 521.0   -    anticoagulant -
semaglutide         99002-0226-01  2  - 935.0   -    -             -
warfarin            99002-0227-01  1  -  13.7   -    anticoagulant -
""")

SPECIALTY = _table("""
adalimumab          99003-0301-01  6  - 6900.0  -    -             -
etanercept          99003-0302-01  3  - 6500.0  -    -             -
ustekinumab         99003-0303-01  3  - 12800.0 -    -             -
ocrelizumab         99003-0304-01  1  - 19400.0 -    -             -
imatinib            99003-0305-01  2  - 2900.0  -    chemotherapy  imatinib-ibrutinib
ibrutinib           99003-0306-01  1  - 14700.0 -    chemotherapy  imatinib-ibrutinib
lenalidomide        99003-0307-01  2  - 18900.0 -    chemotherapy  -
sofosbuvir          99003-0308-01  1  - 24900.0 -    -             -
somatropin          99003-0309-01  2  - 3800.0  -    -             -
""")
REMS = frozenset({"99003-0307-01"})
"""Given only with an authorisation of the maker's safety programme (lenalidomide)."""
