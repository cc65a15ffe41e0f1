#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds and runs all tests, then the unit tests under sanitizers (the
# random programs also against libtorch), fuzzes the readers of files for a minute each, and checks
# the format. The last line is "N passed, N failed".
#   scripts/test.sh [--tidy]    --tidy: also run clang-tidy, which takes long
set -uo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1

tidy=false
for argument in "$@"; do
  case $argument in
    --tidy) tidy=true ;;
    *)
      echo "usage: scripts/test.sh [--tidy]" >&2
      exit 2
      ;;
  esac
done

jobs=$(nproc)
passed=0
failed=0

# check NAME COMMAND...: counts the command as one test.
check() {
  local name=$1
  shift
  echo "== $name"
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $name"
  fi
}

# build PRESET: as much as compiles, so that one broken file does not hide other failures.
build() { cmake --preset "$1" && cmake --build --preset "$1" --parallel "$jobs" -- -k 0; }

# run_tests PRESET: adds CTest's own counts.
run_tests() {
  echo "== tests ($1)"
  local log=build/$1/tests.log summary
  ctest --preset "$1" --parallel "$jobs" 2>&1 | tee "$log"
  summary=$(grep -oE '[0-9]+ tests? failed out of [0-9]+' "$log")
  if [[ $summary =~ ^([0-9]+)\ tests?\ failed\ out\ of\ ([0-9]+)$ ]]; then
    failed=$((failed + BASH_REMATCH[1]))
    passed=$((passed + BASH_REMATCH[2] - BASH_REMATCH[1]))
  else
    failed=$((failed + 1))
  fi
}

# Our own sources, without the programs that are kept as they were given.
sources() {
  find include autodiff layers optim data examples tests benchmarks \
    -path tests/northstar -prune -o -name "$1" -print0
}

check_format() {
  local file unformatted=()
  while IFS= read -r -d '' file; do
    clang-format "$file" | cmp -s - "$file" || unformatted+=("$file")
  done < <(sources '*.[ch]pp')
  ((${#unformatted[@]})) || return 0
  echo "to mend: clang-format -i ${unformatted[*]}"
  return 1
}

check_tidy() { sources '*.cpp' | xargs -0 -n 1 -P "$jobs" clang-tidy --quiet -p build/ci; }

tools=(clang-format libtorch-dev python3-numpy python3-torch valgrind)
$tidy && tools+=(clang-tidy)

check "dependencies" scripts/install_dependencies.sh "${tools[@]}"
check "format" check_format
# Built as the tests are, for the sake of time.
demo() { mkdir -p build/demo && (cd build/demo && TAPESTRY_PRESET=ci ../../scripts/demo.sh --steps 20); }
check "demo" demo
check "build (ci)" build ci
run_tests ci
check "build (asan)" build asan
run_tests asan
check "build (tsan)" build tsan
run_tests tsan
check "fuzz" scripts/fuzz.sh 60
if $tidy; then check "clang-tidy" check_tidy; fi

echo "$passed passed, $failed failed"
((failed == 0))
