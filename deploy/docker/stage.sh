#!/bin/sh
# Runs a stage's command and passes on the signal to end. Docker starts again whatever ends; but a
# stage that ends with 78 refuses to run until an operator has acted, and started again and again
# it would go on draining its topic into the dead letters. So then this stays, and does nothing:
# the container is unhealthy, and its log's last lines say why.
stage=
asked=
trap 'asked=1; [ -z "$stage" ] || kill -TERM "$stage"' TERM INT # set first: it may come at once
"$@" &
stage=$!
[ -z "$asked" ] || kill -TERM "$stage"
wait "$stage"
code=$?
while kill -0 "$stage" 2> /dev/null; do # the wait was cut short by the signal
  wait "$stage"
  code=$?
done
[ "$code" -eq 78 ] || exit "$code"
trap 'exit 78' TERM INT
echo "This stage refuses to run (above: why). Act, then start it again: docker-compose restart" >&2
sleep infinity &
wait
