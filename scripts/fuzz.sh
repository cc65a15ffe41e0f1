#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs clang if it is missing, builds the fuzzers of all that reads files, and runs each of
# them. A finding ends it, and the file that shows it is named.
#   scripts/fuzz.sh [seconds]    for each fuzzer, 60 without; new inputs stay in build/fuzz/
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

for format in safetensors npz npy; do
  found=build/fuzz/corpus_$format
  mkdir -p "$found"
  echo "== fuzz_$format, $seconds s"
  "build/fuzz/tests/fuzz/fuzz_$format" "$found" "tests/fuzz/corpus_$format" \
    -dict="tests/fuzz/$format.dict" -artifact_prefix="$found/../finding_$format-" \
    -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0
done
