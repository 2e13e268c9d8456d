"""Which rows of turnaround times count: of each reading the latest revision.

Few readings are ever corrected, and only those have a second row, so only second rows are looked for: they have an index
of their own, which stays small however many years the readings go back.
"""

from typing import LiteralString

LATEST: LiteralString = """NOT EXISTS (
    SELECT FROM intervals n WHERE n.revision > 1 AND n.site = i.site AND n.clock = i.clock AND n.id = i.id
        AND n.revision > i.revision)"""
"""Of the row `i` of intervals: no later revision stands. It may be one that late evidence took away. Site and clock are part
of what an id is made of, so they only narrow the search."""
