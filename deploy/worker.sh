#!/bin/sh
# The worker in a container that is started again when it fails. Exit code 3 means that it stopped on purpose: it must stay
# down until somebody has looked, so it leaves here as a success. Signals reach the worker itself.
worker=
stopping=
trap 'stopping=yes; [ -z "$worker" ] || kill -TERM "$worker" 2>/dev/null' TERM INT
rxpulse worker &
worker=$!
# The signal may have come before there was anybody to pass it on to.
[ -z "$stopping" ] || kill -TERM "$worker" 2>/dev/null
code=0
wait "$worker" || code=$?
# A signal ends the waiting, not the worker.
while kill -0 "$worker" 2>/dev/null; do
  code=0
  wait "$worker" || code=$?
done
if [ "$code" -eq 3 ]; then
  echo "the worker stopped on purpose and stays down: look at what it said above, then start it again" >&2
  exit 0
fi
exit "$code"
