#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Counts the instructions of a primitive op on one element, forward and backward together, with
# callgrind. Fails above a limit: unlike time, instructions do not depend on what else runs.
#   op_overhead.sh PROGRAM [LIMIT]
set -euo pipefail
program=$1
limit=${2:-1600}

instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" 2>&1 |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

short=$(instructions 2) # the first run takes the memory that the others reuse
long=$(instructions 12)
per_op=$(((long - short) / 10000))
echo "$per_op instructions per op, forward and backward; the limit is $limit"
((per_op > 0 && per_op <= limit))
