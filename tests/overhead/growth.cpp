// SPDX-License-Identifier: MIT
// `growth what size`: work that should grow no faster than what it is done on, for growth.sh to
// count.
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tapestry/autodiff.hpp"
#include "tapestry/study.hpp"

namespace {

using namespace tapestry;

/// A chain in which two ways lead from each node to the next.
Variable<float> two_ways(Variable<float> y, int size) {
  for (int i = 0; i < size; ++i) y = y + (-y);
  return y;
}

void take_snapshot(int size) {
  Tape<float> tape;
  static_cast<void>(snapshot(two_ways(tape.variable(1.0F), size)));
}

// Counting is left out: the numbers themselves have as many digits as the chain has nodes.
void find_paths(int size) {
  Tape<float> tape;
  const auto x = tape.variable(1.0F);
  static_cast<void>(paths(x, two_ways(x, size)).longest());
}

void call_hooks(int size) {
  Tape<float> tape;
  auto y = tape.variable(1.0F);
  for (int i = 0; i < size; ++i) {
    const auto leaf = tape.variable(0.0F);
    leaf.register_hook([](const auto&) {});
    y = y + leaf;
    y.register_hook([](const auto&) {});
  }
  y.backward();
}

void recompute(int size) {
  Tape<float> tape;
  std::vector<Variable<float>> outside;
  for (int i = 0; i < size; ++i) outside.push_back(tape.variable(1.0F));
  const auto all = [&](Variable<float> total) {
    for (const Variable<float>& v : outside) total = total + v;
    return total;
  };
  checkpoint(all, outside[0]).backward();
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, std::function<void(int)>> work{{"snapshot", take_snapshot},
                                                             {"paths", find_paths},
                                                             {"hooks", call_hooks},
                                                             {"checkpoint", recompute}};
  if (argc != 3 || !work.contains(argv[1])) return 2;
  work.at(argv[1])(std::atoi(argv[2]));
}
