#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the Debian packages that Tapestry needs, and those named as arguments. Only what is
# missing is installed; when nothing is, this does nothing and says nothing.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  libxtensor-dev libxtensor-blas-dev libxsimd-dev libopenblas-dev nlohmann-json3-dev libzip-dev
  libboost-dev libboost-test-dev libcli11-dev libbenchmark-dev graphviz gnuplot-nox
  "$@"
)

if ! command -v apt-get >/dev/null; then
  echo "This is not a Debian system; README.md tells what to install (${packages[*]})." >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "Packages are missing, and there is neither root nor sudo to install them. As root:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@" >/dev/null
}

echo "Installing ${missing[*]}"
# The package lists may be absent or too old; they are fetched only then.
if ! apt install --no-install-recommends "${missing[@]}" 2>/dev/null; then
  apt update
  apt install --no-install-recommends "${missing[@]}"
fi
