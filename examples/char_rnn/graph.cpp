// SPDX-License-Identifier: MIT
#include <filesystem>
#include <iostream>
#include <tapestry/autodiff.hpp>
#include <tapestry/data.hpp>

#include "checkpoint.hpp"
#include "commands.hpp"
#include "guards.hpp"

namespace tp = tapestry;

namespace {

/// Some steps of text and, one step later, what is to be predicted, both (T, 1).
tp::data::SequenceBatch tokens_for(const GraphOptions& options,
                                   const tp::data::Vocabulary& vocabulary) {
  const std::size_t needed = options.steps + 1;
  tp::Indices prime = vocabulary.encode(options.prime);
  if (!options.prime.empty() && prime.size() < needed)
    throw tp::ArgumentError("graph", std::to_string(options.steps) + " steps need a --prime of " +
                                         std::to_string(needed) + " tokens, this one has " +
                                         std::to_string(prime.size()));
  const std::int64_t first = first_token(vocabulary);
  tp::data::SequenceBatch batch{tp::Indices::from_shape({options.steps, 1}),
                                tp::Indices::from_shape({options.steps, 1})};
  for (std::size_t t = 0; t < options.steps; ++t) {
    batch.tokens(t, 0) = prime.size() > t ? prime(t) : first;
    batch.targets(t, 0) = prime.size() > t + 1 ? prime(t + 1) : first;
  }
  return batch;
}

}  // namespace

void graph(const GraphOptions& options) {
  const auto svg = std::filesystem::path(options.output).replace_extension(".svg");
  if (svg == options.output)
    throw tp::ArgumentError("graph", "--output is the DOT file, beside which '" + svg.string() +
                                         "' will stand; give it another ending");
  check_standard_output("graph", {options.checkpoint});
  check_output("graph", options.output, {".dot", ".gv"}, {options.checkpoint});
  check_output("graph", svg.string(), {".svg"}, {options.checkpoint});
  Checkpoint checkpoint = read_checkpoint(options.checkpoint);
  const tp::data::SequenceBatch batch = tokens_for(options, checkpoint.info.vocabulary);
  tp::Tape<> tape;
  Carry carry;
  const auto logits = checkpoint.model.logits(tape, batch.tokens, carry).named("logits");
  const auto loss = tp::softmax_cross_entropy(logits, batch.targets).named("loss");
  if (options.gradients) loss.backward();
  const tp::DotOptions drawing{.values = options.values,
                               .gradients = options.gradients,
                               .expand = options.inside ? tp::Expand::all : tp::Expand::over_steps,
                               .roll_steps = options.roll};
  tp::save_dot(loss, options.output, drawing);
  std::cout << options.steps << " steps of the " << checkpoint.info.options.model.cell
            << " and its loss: " << options.output
            << std::flush;  // drawing many takes Graphviz long
  try {
    tp::save_svg(loss, svg, drawing);
    std::cout << " and " << svg.string() << '\n';
  } catch (const tp::FileError& error) {
    std::cout << "\nNot drawn: " << error.what() << '\n';
  }
}
