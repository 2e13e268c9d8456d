"""What both programs in Faust share: the app with its settings, and its end."""

import asyncio
import logging

import faust
import job

app = faust.App(
    "clock",
    broker=f"kafka://{job.KAFKA}",
    store="memory://",
    datadir=job.FOLDER,
    topic_partitions=job.PARTITIONS,
    consumer_auto_offset_reset="earliest",
    consumer_max_fetch_size=4 << 20,
    producer_linger=0.02,
    producer_max_batch_size=1 << 18,
    stream_wait_empty=False,
    web_enabled=False,
)
finishing = asyncio.Event()
"""Set with the last event."""


def run() -> None:
    """The life of the process."""
    asyncio.run(_run())


async def _run() -> None:
    logging.basicConfig(level=logging.ERROR)
    await app.start()
    ends = [asyncio.ensure_future(finishing.wait()), asyncio.ensure_future(app.wait_until_stopped())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if not finishing.is_set():
        raise SystemExit("the app stopped before the last event")
    # The agent acknowledges the last event when it asks for the next one.
    await asyncio.sleep(0)
    await app.producer.flush()
    await app.consumer.commit()
    job.finished()
