#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds, and trains a character LSTM on real text. Arguments go to the
# program: scripts/demo.sh --text FILE, scripts/demo.sh --help.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
preset=${TAPESTRY_PRESET:-release}
build=$root/build/$preset

"$root/scripts/install_dependencies.sh"

# The presets are those of the repository; the program itself runs where the user is.
(cd "$root" && cmake --preset "$preset" >/dev/null)
cmake --build "$build" --parallel "$(nproc)" --target char_lstm

exec "$build/examples/char_lstm" "$@"
