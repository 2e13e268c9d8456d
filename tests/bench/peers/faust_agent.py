"""Faust as fast as its agents go with what is documented: raw bytes, msgspec, the state in a dict, facts sent without
waiting. A process that is killed begins again from nothing."""

from collections import defaultdict

import faust
import job
from running_faust import app, finishing, run

events = app.topic(job.EVENTS, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
sinks = {
    name: app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    for name in (job.INTERVALS, job.SIGNALS)
}
fills = defaultdict(job.fresh)
progress = job.Progress()
app.conf.cython_optimizations = True


@app.agent(events)
async def keep_the_clock(stream: faust.StreamT[bytes]) -> None:
    """The whole job."""
    async for value in stream:
        progress.count()
        event = job.decode(value)
        for fact in job.apply(fills[event.subject], event):
            sinks[job.topic_of(fact)].send_soon(key=fact.case.encode(), value=job.encode(fact))
        if progress.whole:
            finishing.set()


if __name__ == "__main__":
    run()
