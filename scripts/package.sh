#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds shared libraries and makes Debian packages of them for the system
# it runs on: build/packages/*.deb.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

scripts/install_dependencies.sh dpkg-dev file
rm -f build/packages/*.deb
cmake --workflow --preset package
ls build/packages/*.deb
