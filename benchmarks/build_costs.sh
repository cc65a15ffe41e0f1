#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What it costs to build: the size of the stripped shared libraries, the slowest files of the
# library, and how long a program with tapestry/tapestry.hpp takes to compile beside one with
# torch/torch.h (Debian: libtorch-dev). Compiler caches are off.
#   benchmarks/build_costs.sh [ROUNDS]
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
rounds=${1:-3}
export CCACHE_DISABLE=1
build=build/costs

cmake -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
  -DTAPESTRY_BUILD_TESTS=OFF -DTAPESTRY_BUILD_EXAMPLES=OFF -DTAPESTRY_BUILD_BENCHMARKS=OFF \
  >/dev/null
rm -f "$build/.ninja_log"
cmake --build "$build" --clean-first --parallel 1 >/dev/null

echo "Stripped shared libraries, bytes:"
total=0
for library in "$build"/*/libtapestry_*.so.?.*.*; do
  strip -o "$build/stripped.so" "$library"
  size=$(stat -c %s "$build/stripped.so")
  total=$((total + size))
  printf '  %-32s %10d\n' "$(basename "$library")" "$size"
done
printf '  %-32s %10d\n' "all" "$total"

echo "Slowest files, one at a time, seconds:"
awk 'NR > 1 && $4 ~ /\.o$/ { printf "  %6.1f  %s\n", ($2 - $1) / 1000, $4 }' "$build/.ninja_log" |
  sort -rn | head -n 5

seconds_of() { # COMMAND...
  local before after
  before=$(date +%s.%N)
  "$@"
  after=$(date +%s.%N)
  awk -v a="$before" -v b="$after" 'BEGIN { printf "%.2f\n", b - a }'
}
ours() {
  g++ -std=c++20 -O2 -c tests/northstar/char_lm.cpp -o "$build/char_lm.o" \
    -Iinclude -Iautodiff/include -Ilayers/include -Ioptim/include -Idata/include
}
theirs() {
  g++ -std=c++20 -O2 -c benchmarks/char_lm_torch.cpp -o "$build/char_lm_torch.o" \
    -I/usr/include/torch/csrc/api/include
}
echo "Compiling the character model at -O2, seconds (ours, libtorch, libtorch / ours):"
for ((round = 0; round < rounds; ++round)); do
  a=$(seconds_of ours)
  b=$(seconds_of theirs)
  awk -v a="$a" -v b="$b" 'BEGIN { printf "  %6.2f %6.2f %6.2f\n", a, b, b / a }'
done
