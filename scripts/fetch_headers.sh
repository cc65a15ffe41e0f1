#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Unpacks the header-only packages (xtensor, xtensor-blas, xtl, xsimd) of another Debian suite into
# a folder, to compile against them without installing anything:
#   scripts/fetch_headers.sh SUITE FOLDER [ARCHITECTURE]
#   cmake -DCMAKE_PREFIX_PATH=FOLDER/usr ...
# apt fetches them, with lists of its own in FOLDER/apt.
set -euo pipefail

if [[ $# -lt 2 || $# -gt 3 ]]; then
  echo "usage: scripts/fetch_headers.sh SUITE FOLDER [ARCHITECTURE]" >&2
  exit 2
fi
suite=$1
architecture=${3:-$(dpkg --print-architecture)}
mkdir -p "$2/apt/lists/partial" "$2/apt/cache/archives/partial" "$2/apt/parts"
folder=$(cd -- "$2" && pwd)

echo "deb http://deb.debian.org/debian $suite main" >"$folder/apt/sources.list"
: >"$folder/apt/status"
apt=(-qq -o "Dir::Etc::SourceList=$folder/apt/sources.list" -o "Dir::Etc::SourceParts=$folder/apt/parts"
  -o "Dir::Etc::Preferences=/dev/null" -o "Dir::Etc::PreferencesParts=$folder/apt/parts"
  -o "Dir::State::Lists=$folder/apt/lists" -o "Dir::State::Status=$folder/apt/status"
  -o "Dir::Cache=$folder/apt/cache" -o "APT::Sandbox::User=root"
  -o "APT::Architecture=$architecture" -o "APT::Architectures::=$architecture"
  -o "Acquire::Languages=none" -o "Acquire::Check-Valid-Until=false")  # unstable's date may be old
apt-get "${apt[@]}" update
(cd "$folder/apt" && apt-get "${apt[@]}" download libxtensor-dev libxtensor-blas-dev libxsimd-dev xtl-dev)
rm -rf "$folder/usr"
for package in "$folder"/apt/*.deb; do
  dpkg-deb --extract "$package" "$folder"
  basename "$package"
done
rm -rf "$folder/apt"
