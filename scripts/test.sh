#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds, and runs everything that asserts what the library does. The last
# line is "N passed, N failed".
#   scripts/test.sh          on two cores less than eight minutes
#   scripts/test.sh --all    also what takes long: the format, the demo, each header alone, the
#                            guides followed on a copy, sanitizers, libtorch, fuzzing, clang, and
#                            the headers of newer Debian suites
#   scripts/test.sh --tidy   also clang-tidy, which takes longest
set -uo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1

all=false
tidy=false
for argument in "$@"; do
  case $argument in
    --all) all=true ;;
    --tidy) tidy=true ;;
    *)
      echo "usage: scripts/test.sh [--all] [--tidy]" >&2
      exit 2
      ;;
  esac
done

jobs=$(nproc)
passed=0
failed=0

# check NAME COMMAND...: counts the command as one test.
check() {
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $name"
  fi
  echo "== $name: $((SECONDS - start)) s"
}

# build PRESET: as much as compiles, so that one broken file does not hide other failures.
build() { cmake --preset "$1" && cmake --build --preset "$1" --parallel "$jobs" -- -k 0; }

# run_tests PRESET [ARGUMENT...]: adds CTest's own counts. The arguments go to CTest.
run_tests() {
  local preset=$1 log=build/$1/tests.log summary
  shift
  echo "== tests ($preset)"
  ctest --preset "$preset" --parallel "$jobs" "$@" 2>&1 | tee "$log"
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

# Another version would format some lines otherwise.
check_format() {
  local file unformatted=()
  if ! clang-format --version | grep -q 'version 14\.'; then
    echo "skipped: the format is that of clang-format 14, and here is $(clang-format --version)"
    return 0
  fi
  while IFS= read -r -d '' file; do
    clang-format "$file" | cmp -s - "$file" || unformatted+=("$file")
  done < <(sources '*.[ch]pp')
  ((${#unformatted[@]})) || return 0
  echo "to mend: clang-format -i ${unformatted[*]}"
  return 1
}

check_tidy() { sources '*.cpp' | xargs -0 -n 1 -P "$jobs" clang-tidy --quiet -p build/ci; }

# Built as the tests are, for the sake of time.
demo() { mkdir -p build/demo && (cd build/demo && TAPESTRY_PRESET=ci ../../scripts/demo.sh --steps 20); }

# other_headers SUITE: libraries and unit tests with xtensor, xtl and xsimd of another Debian suite.
other_headers() {
  check "headers of $1" scripts/fetch_headers.sh "$1" "build/headers/$1"
  check "build (headers of $1)" build "$1"
  run_tests "$1"
}

tools=()
$all && tools+=(clang clang-format libtorch-dev python3-numpy python3-torch valgrind)
$tidy && tools+=(clang-tidy)
check "dependencies" scripts/install_dependencies.sh "${tools[@]}"

if ! $all; then
  check "build" build ci
  run_tests ci --label-exclude slow
else
  check "format" check_format
  check "build" build ci
  check "demo" demo
  run_tests ci
  check "build (asan)" build asan
  run_tests asan
  check "build (tsan)" build tsan
  run_tests tsan
  check "fuzz" scripts/fuzz.sh 60
  check "build (clang)" build clang
  if command -v apt-get >/dev/null; then
    other_headers trixie
    other_headers sid
  fi
fi
if $tidy; then check "clang-tidy" check_tidy; fi

echo "$passed passed, $failed failed"
((failed == 0))
