#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds, trains a character LSTM on real text, writes a sample, shows what
# a cell does and draws the graph; all files are in the folder tapestry_demo, or in the one that
# --output names. Arguments go to `char_rnn train`: scripts/demo.sh --text FILE.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
preset=${TAPESTRY_PRESET:-release}
build=$root/build/$preset
run=tapestry_demo

text=/usr/share/common-licenses/GPL-3
[[ -r $text ]] || text=$root/docs/gradient_study.md
arguments=("$@")
for ((i = 0; i < $#; ++i)); do
  case ${arguments[i]} in
    --text) text=${arguments[i + 1]-} ;;
    --text=*) text=${arguments[i]#*=} ;;
    --output) run=${arguments[i + 1]-} ;;
    --output=*) run=${arguments[i]#*=} ;;
  esac
done

"$root/scripts/install_dependencies.sh"

# The presets are those of the repository; the program itself runs where the user is.
(cd "$root" && cmake --preset "$preset" >/dev/null)
start=$SECONDS
cmake --build "$build" --parallel "$(nproc)" --target char_rnn
echo "Built in $((SECONDS - start)) s"
PATH=$build/examples:$PATH

echo "Learning $text"
char_rnn train --text "$text" --output "$run" --overwrite --batch 32 --steps 1000 \
  --evaluate-every 200 --validation 0.05 --seconds 45 "$@"
echo
echo "--- a sample ---"
char_rnn sample "$run/best.safetensors" --length 400
echo "----------------"
echo
char_rnn inspect "$run/best.safetensors" --text "$text" --output "$run/cells.html"
char_rnn graph "$run/best.safetensors" --output "$run/graph.dot"
