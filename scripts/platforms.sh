#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Tries the committed sources as a new user would, in bare Debian systems that mmdebstrap makes,
# and prints a table. Runs as root, on Debian; what it leaves is in build/platforms.
#   scripts/platforms.sh [bookworm | trixie | sid | arm64 | clang-16 | clang-19]...
# A suite: scripts/demo.sh and scripts/test.sh. arm64: the unit tests, compiled by Debian's cross
# compiler, run by qemu-user. clang: everything compiled, warnings as errors, and the tests run.
set -uo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1

if ((EUID != 0)); then
  echo "scripts/platforms.sh makes root file systems, which takes root" >&2
  exit 1
fi
command -v mmdebstrap >/dev/null || scripts/install_dependencies.sh mmdebstrap || exit 1

roots=$PWD/build/platforms
mkdir -p "$roots"
table=$roots/table.md
printf '%s\n' "| system | compiler | xtensor | xsimd | OpenBLAS | Boost | demo built in | tests | passed | failed |" \
  "|---|---|---|---|---|---|---|---|---|---|" >"$table"
failures=0

# inside ROOT COMMAND...: in the sources within a root file system, with /proc and nothing else.
inside() {
  local root=$1
  shift
  unshare --mount -- bash -c 'mount -t proc proc "$0/proc" && exec chroot "$0" /usr/bin/env -i \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    bash -c "cd /tapestry && \"\$@\"" inside "$@"' "$root" "$@"
}

# make_root SUITE NAME [OPTION...]: a bare system with the committed sources in /tapestry.
make_root() {
  local suite=$1 root=$roots/$2
  shift 2
  rm -rf "$root"
  mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' "$@" \
    "$suite" "$root" && mkdir "$root/tapestry" && git archive HEAD | tar -x -C "$root/tapestry"
}

# installed ROOT PATTERN: the upstream version of the first package that matches.
installed() {
  chroot "$1" dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$2" 2>/dev/null |
    sed -n 's/^installed \([0-9]*:\)\{0,1\}\([0-9.]*[0-9]\).*/\2/p' | head -n 1
}

# row ROOT NAME COMPILER DEMO_SECONDS TEST_SECONDS LOG
row() {
  local root=$1 result passed=0 failed=1
  result=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$6" | tail -n 1)
  [[ $result =~ ^([0-9]+)\ passed,\ ([0-9]+) ]] && passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]}
  ((failed == 0)) || failures=$((failures + 1))
  echo "| $2 | $(inside "$root" sh -c "$3 --version" | head -n 1 | sed 's/ (.*) / /; s/^Debian //') |" \
    "${xtensor:-$(installed "$root" libxtensor-dev)} | ${xsimd:-$(installed "$root" libxsimd-dev)} |" \
    "$(installed "$root" 'libopenblas-dev*') | $(installed "$root" 'libboost-dev*') | $4 | $5 |" \
    "$passed | $failed |" | tee -a "$table"
}

try_suite() {
  local root=$roots/$1 log=$roots/$1.log start demo tests
  make_root "$1" "$1" >"$log" 2>&1
  inside "$root" scripts/demo.sh --steps 20 >>"$log" 2>&1 || echo "FAILED: demo" >>"$log"
  demo=$(sed -n 's/^Built in \([0-9]* s\)$/\1/p' "$log" | head -n 1)
  start=$SECONDS
  inside "$root" scripts/test.sh >>"$log" 2>&1
  tests="$((SECONDS - start)) s"
  grep -q '^FAILED: demo' "$log" && echo "0 passed, 1 failed" >>"$log"
  row "$root" "$1" g++ "${demo:--}" "$tests" "$log"
}

# count_tests LOG: adds the closing line of scripts/test.sh for a run of CTest.
count_tests() {
  local summary
  summary=$(grep -oE '[0-9]+ tests? failed out of [0-9]+' "$1" | tail -n 1)
  [[ $summary =~ ^([0-9]+)\ .*\ ([0-9]+)$ ]] || return
  echo "$((BASH_REMATCH[2] - BASH_REMATCH[1])) passed, ${BASH_REMATCH[1]} failed" >>"$1"
}

try_clang() {
  local version=${1#clang-} root=$roots/$1 log=$roots/$1.log start suite=trixie
  ((version > 16)) || suite=bookworm
  make_root "$suite" "$1" >"$log" 2>&1
  start=$SECONDS
  inside "$root" bash -c "
    scripts/install_dependencies.sh $1 &&
    cmake --preset ci -DCMAKE_CXX_COMPILER=clang++-$version &&
    cmake --build --preset ci --parallel \$(nproc) &&
    ctest --preset ci --parallel \$(nproc) --label-exclude slow" >>"$log" 2>&1
  count_tests "$log"
  row "$root" "$suite" "clang++-$version" - "$((SECONDS - start)) s" "$log"
}

# Headers of xtensor and its kin cannot be installed for another architecture: they are unpacked.
try_arm64() {
  local root=$roots/arm64 log=$roots/arm64.log start
  make_root bookworm arm64 --architectures=amd64,arm64 >"$log" 2>&1
  start=$SECONDS
  inside "$root" bash -c "
    apt-get -qq update &&
    apt-get -qq install --no-install-recommends ca-certificates cmake crossbuild-essential-arm64 \
      ninja-build pkg-config qemu-user-static graphviz gnuplot-nox nlohmann-json3-dev \
      libopenblas-dev:arm64 libzip-dev:arm64 libboost-dev:arm64 libboost-test-dev:arm64 &&
    scripts/fetch_headers.sh bookworm build/headers/bookworm arm64 &&
    cmake --preset ci -DCMAKE_TOOLCHAIN_FILE=/tapestry/cmake/arm64.cmake -DTAPESTRY_INSTALL=OFF \
      -DCMAKE_PREFIX_PATH=/tapestry/build/headers/bookworm/usr -DTAPESTRY_UNITY=ON \
      -DTAPESTRY_BUILD_EXAMPLES=OFF -DTAPESTRY_BUILD_BENCHMARKS=OFF &&
    cmake --build --preset ci --parallel \$(nproc) &&
    ctest --preset ci --parallel \$(nproc) --label-regex unit --timeout 1200" >>"$log" 2>&1
  count_tests "$log"
  local xtensor xsimd
  xtensor=$(sed -n 's/^libxtensor-dev_\([0-9.]*\).*/\1/p' "$log")
  xsimd=$(sed -n 's/^libxsimd-dev_\([0-9.]*\).*/\1/p' "$log")
  row "$root" "bookworm, arm64" aarch64-linux-gnu-g++ - "$((SECONDS - start)) s" "$log"
}

(($#)) || set -- bookworm trixie sid arm64 clang-16 clang-19
for system in "$@"; do
  case $system in
    bookworm | trixie | sid) try_suite "$system" ;;
    clang-16 | clang-19) try_clang "$system" ;;
    arm64) try_arm64 ;;
    *)
      echo "scripts/platforms.sh does not know '$system'" >&2
      exit 2
      ;;
  esac
done
echo
cat "$table"
((failures == 0))
