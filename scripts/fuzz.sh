#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs clang if it is missing, builds the fuzzers of all that reads files, and runs them side
# by side. A finding is an error, and the file that shows it is named.
#   scripts/fuzz.sh [seconds]    how long, 60 without; new inputs stay in build/fuzz/
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
if ! [[ $# -le 1 && $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: scripts/fuzz.sh [seconds]" >&2
  exit 2
fi

scripts/install_dependencies.sh clang libclang-rt-dev
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --parallel "$(nproc)"

fuzz() {
  local found=build/fuzz/corpus_$1
  mkdir -p "$found"
  "build/fuzz/tests/fuzz/fuzz_$1" "$found" "tests/fuzz/corpus_$1" \
    -dict="tests/fuzz/$1.dict" -artifact_prefix="$found/../finding_$1-" -max_len=4096 \
    -max_total_time="$seconds" -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 2>&1 |
    sed "s/^/fuzz_$1: /"
}

# Side by side: they take as long as one.
runs=()
for format in safetensors npz npy checkpoint; do
  fuzz "$format" &
  runs+=($!)
done
for run in "${runs[@]}"; do wait "$run"; done
