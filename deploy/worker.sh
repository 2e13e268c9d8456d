#!/bin/sh
# The worker in a container that is started again whenever it ends, also with the machine. Exit code 3 means that the worker
# stopped on purpose: it must stay down until somebody has looked, so the container lives on without it, unhealthy, until it
# is stopped or started anew. Signals reach the worker itself.
running=
stopping=
trap 'stopping=yes; [ -z "$running" ] || kill -TERM "$running" 2>/dev/null' TERM INT
start() {
  "$@" &
  running=$!
  # The signal may have come before there was anybody to pass it on to.
  [ -z "$stopping" ] || kill -TERM "$running" 2>/dev/null
}
start rxpulse worker
code=0
wait "$running" || code=$?
# A signal ends the waiting, not the worker.
while kill -0 "$running" 2>/dev/null; do
  code=0
  wait "$running" || code=$?
done
[ "$code" -eq 3 ] || exit "$code"
echo "the worker stopped on purpose and stays down: look at what it said above, then docker compose restart worker" >&2
while [ -z "$stopping" ]; do
  start sleep 86400
  wait "$running"
done
exit 0
