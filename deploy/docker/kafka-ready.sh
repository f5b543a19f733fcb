#!/usr/bin/env bash
# Succeeds when the broker counts itself among the brokers of its cluster. Its port opens a moment
# before that, and topics made then are refused. Kafka's own tools can tell too, but each call
# starts a JVM: a second of processor time every few seconds.
set -euo pipefail
exec 3<> /dev/tcp/127.0.0.1/9092
# Metadata request v1: size 20, key 3, version 1, correlation 0, client "health", no topic.
printf '\0\0\0\x14\0\x03\0\x01\0\0\0\0\0\x06health\0\0\0\0' >&3
# Size, correlation, then how many brokers there are: four bytes each.
brokers=$(head -c 12 <&3 | od -An -tu1 -j8 | tr -d ' \n')
[ "$brokers" != 0000 ] && [ -n "$brokers" ]
