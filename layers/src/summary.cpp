// SPDX-License-Identifier: MIT
#include "tapestry/layers/summary.hpp"

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <unordered_set>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/utf8.hpp"

namespace tapestry {
namespace detail {

void SummaryBuilder::add_part(std::string_view path) {
  summary_.parts.push_back({.name = std::string(path)});
}

void SummaryBuilder::add_parameter(std::string_view path, const void* parameter, const Shape& shape,
                                   bool trainable, std::size_t bytes) {
  PartSummary part{.name = std::string(path),
                   .count = shape.size(),
                   .is_parameter = true,
                   .trainable = trainable,
                   .shape = shape};
  const auto same = std::ranges::find(known_, parameter, &Known::parameter);
  if (same == known_.end()) {
    known_.push_back({parameter, part.name});
    (trainable ? summary_.trainable : summary_.frozen) += part.count;
    summary_.bytes += bytes;
    for (PartSummary& whole : summary_.parts)
      if (!whole.is_parameter && (whole.name.empty() || path.starts_with(whole.name + ".")))
        whole.count += part.count;
  } else {
    part.shared_with = same->name;
  }
  summary_.parts.push_back(std::move(part));
}

}  // namespace detail

namespace {

std::string left(std::string text, std::size_t width) {
  const std::size_t used = utf8::count(text);
  return text.append(width - std::min(width, used), ' ');
}

std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

/// The name, indented below what it is a part of.
std::string label_of(const PartSummary& part) {
  if (part.name.empty()) return "model";
  const auto depth = std::ranges::count(part.name, '.') + 1;
  return std::string(2 * static_cast<std::size_t>(depth), ' ') + utf8::shown(part.name);
}

std::string line_of(const PartSummary& part, std::size_t width) {
  std::string line = left(label_of(part), width) + "  " +
                     left(part.is_parameter ? part.shape.str() : "", 14) +
                     right(std::to_string(part.count), 12);
  if (!part.shared_with.empty())
    line += "  is " + utf8::shown(part.shared_with);
  else if (part.is_parameter && !part.trainable)
    line += "  frozen";
  return line + '\n';
}

std::string joined(const std::vector<std::string>& names) {
  constexpr std::size_t most = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i)
    text += (i > 0 ? ", " : "") + names[i];
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  return text;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const ModelSummary& summary) {
  std::size_t width = 5;
  for (const PartSummary& part : summary.parts)
    width = std::max(width, utf8::count(label_of(part)));
  std::string text = left("part", width) + "  " + left("shape", 14) + right("numbers", 12) + '\n';
  for (const PartSummary& part : summary.parts) text += line_of(part, width);
  return out << text + std::to_string(summary.trainable) + " trainable, " +
                    std::to_string(summary.frozen) + " frozen, " +
                    number_text(static_cast<double>(summary.bytes) / (1024 * 1024), 3) + " MiB";
}

namespace detail {
namespace {

/// The parameters' leaves that a gradient path leads to from `loss`, in the order of the tape.
template <class T>
std::vector<std::uint32_t> leaves_of(const TapeState<T>& state, std::uint32_t loss) {
  std::vector<bool> reached(loss + 1);
  reached[loss] = true;
  std::vector<std::uint32_t> leaves;
  for (std::uint32_t k = loss + 1; k-- > 0;) {
    const Entry<T>& entry = state.entries[k];
    if (!reached[k] || entry.vacant) continue;
    if (entry.role == Role::parameter && entry.requires_grad) leaves.push_back(k);
    if (entry.node == none) continue;
    const Node<T>& node = state.nodes[entry.node];
    for (std::uint32_t i = 0; i < node.input_count; ++i)
      if (node.info->differentiable(i)) reached[state.edges[node.first_input + i]] = true;
  }
  std::ranges::reverse(leaves);
  return leaves;
}

/// What a parameter is called that no `visit` has named.
template <class T>
std::string description(const TapeState<T>& state, const Entry<T>& entry,
                        const Parameter<T>& parameter) {
  const std::string place = state.scopes.path(entry.scope);
  return (parameter.name().empty() ? "a parameter" : "'" + parameter.name() + "'") + " of shape " +
         entry.shape.str() + (place.empty() ? "" : " used in " + place);
}

}  // namespace

template <class T>
void check_reached(const ParameterList<T>& parameters, const Variable<T>& loss,
                   const CheckModelOptions& options) {
  const TapeState<T>& state = loss.state("check_model");
  const std::unordered_set<const Parameter<T>*> shown(parameters.begin(), parameters.end());
  std::unordered_set<const Parameter<T>*> reached;
  std::vector<std::string> forgotten;
  for (const std::uint32_t k : leaves_of(state, loss.index())) {
    const Parameter<T>* parameter = state.parameter_of(state.entries[k]);
    if (parameter && reached.insert(parameter).second && !shown.contains(parameter))
      forgotten.push_back(description(state, state.entries[k], *parameter));
  }
  std::vector<std::string> idle;
  for (const Parameter<T>* parameter : parameters)
    if (options.reaches_all && parameter->requires_grad() && !reached.contains(parameter))
      idle.push_back("'" + parameter->name() + "'");
  if (forgotten.empty() && idle.empty()) return;
  std::string text;
  if (!forgotten.empty())
    text = "'" + loss.name() +
           "' depends on parameters that the model's visit does not show, so that no optimizer of "
           "parameters(model) trains them: " +
           joined(forgotten);
  if (!idle.empty())
    text += (text.empty() ? "" : "; ") + ("'" + loss.name()) +
            "' does not depend on these parts of the model: " + joined(idle);
  if (reached.empty() && !state.recording) text += " (nothing is recorded on this tape)";
  throw ArgumentError("check_model", text);
}

TAPESTRY_INSTANTIATE(check_reached)

}  // namespace detail
}  // namespace tapestry
