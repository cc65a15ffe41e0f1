// SPDX-License-Identifier: MIT
#include <algorithm>
#include <iostream>
#include <numeric>
#include <tapestry/autodiff.hpp>
#include <tapestry/data.hpp>
#include <tapestry/layers.hpp>
#include <utility>

#include "checkpoint.hpp"
#include "commands.hpp"
#include "guards.hpp"

namespace tp = tapestry;

namespace {

/// The first tokens of the file or of the text that was given.
tp::Indices tokens_of(const InspectOptions& options, const tp::data::Vocabulary& vocabulary) {
  if (options.text.empty() == options.prime.empty())
    throw tp::ArgumentError("inspect", "give one text to read: --text FILE or --prime TEXT");
  tp::Indices tokens = tp::Indices::from_shape({0});
  if (!options.prime.empty()) {
    tokens = vocabulary.encode(options.prime);
  } else {
    const tp::data::TextTokens text(options.text, vocabulary);
    tokens.resize({std::min(text.size(), options.length)});
    text.read(0, {tokens.data(), tokens.size()});
  }
  tokens.reshape({tokens.size(), 1});
  return tokens;
}

/// A gate at each step, (T, 1, H).
tp::Array<float> activations(CharModel& model, const tp::Indices& tokens,
                             const InspectOptions& options, const ModelOptions& shape) {
  tp::Tape<> tape;
  const auto read = [&](auto& layer) {
    const auto result = layer(model.embed(tape, tokens));
    return result.gate(options.gate, options.layer.value_or(shape.layers - 1));
  };
  return std::visit(read, model.cells);
}

/// A symbol on one line, without what moves the cursor of a terminal.
std::string visible(const std::string& symbol) {
  std::string text;
  std::string_view rest = symbol;
  while (!rest.empty()) {
    const char c = rest.front();
    const std::string_view shown = tp::utf8::take_shown(rest);
    text += c == '\n' ? "⏎" : c == '\t' ? "⇥" : c == '\r' ? "␍" : shown;
  }
  return text;
}

/// The places where a unit is highest, highest first, with what was read before each. Places that
/// overlap count once.
void list_places(const std::vector<std::string>& symbols, const tp::Array<float>& values,
                 std::size_t unit) {
  constexpr std::size_t places = 5, before = 30;
  std::vector<std::size_t> order(symbols.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return values(a, 0, unit) > values(b, 0, unit);
  });
  std::vector<std::size_t> shown;
  std::cout << "Unit " << unit << " is highest at the end of\n";
  for (const std::size_t at : order) {
    const auto overlaps = [&](std::size_t other) {
      return std::max(at, other) - std::min(at, other) <= before;
    };
    if (shown.size() == places) break;
    if (std::any_of(shown.begin(), shown.end(), overlaps)) continue;
    shown.push_back(at);
    std::cout << "  " << tp::number_text(values(at, 0, unit)) << "  …";
    for (std::size_t k = at - std::min(at, before); k <= at; ++k) std::cout << visible(symbols[k]);
    std::cout << '\n';
  }
}

}  // namespace

void inspect(const InspectOptions& options) {
  const std::vector<std::string> inputs{options.checkpoint, options.text};
  check_standard_output("inspect", inputs);
  check_output("inspect", options.output, {".html", ".htm"}, inputs);
  Checkpoint checkpoint = read_checkpoint(options.checkpoint);
  const tp::data::Vocabulary& vocabulary = checkpoint.info.vocabulary;
  const tp::Indices tokens = tokens_of(options, vocabulary);
  std::vector<std::string> symbols;
  for (std::size_t t = 0; t < tokens.size(); ++t)
    symbols.push_back(vocabulary.symbol(tokens(t, 0)));
  const ModelOptions& shape = checkpoint.info.options.model;
  const tp::Array<float> values = activations(checkpoint.model, tokens, options, shape);
  tp::save_activations(symbols, values, options.output,
                       {.title = shape.cell + " cells of layer " +
                                 std::to_string(options.layer.value_or(shape.layers - 1)) +
                                 (options.gate == "h" ? "" : ", " + options.gate),
                        .units = options.units});
  for (const std::size_t unit : options.units) list_places(symbols, values, unit);
  std::cout << symbols.size() << " tokens, " << shape.hidden << " units: " << options.output
            << '\n';
}
