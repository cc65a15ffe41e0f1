#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Counts instructions with callgrind, for some size and for eight times that. Fails where these are
# more than twelve times as many: what is linear takes 8 times as many, what is quadratic up to 64.
#   growth.sh PROGRAM [SIZE]
set -euo pipefail
program=$1
size=${2:-2000}

instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

status=0
for work in snapshot paths hooks checkpoint; do
  start=$(instructions "$work" 1)
  few=$(($(instructions "$work" "$size") - start))
  many=$(($(instructions "$work" $((8 * size))) - start))
  echo "$work: $few instructions for $size, $many for 8 times as much"
  if ((few <= 0 || many > 12 * few)); then
    echo "$work: grows faster than what it is done on"
    status=1
  fi
done
exit $status
