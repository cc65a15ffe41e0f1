// SPDX-License-Identifier: MIT
// The gradient rule of an op as text: the op is found in a program, its backward pass is recorded,
// and what was recorded is printed.
#pragma once

#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "expect_grad.hpp"
#include "op_table/points.hpp"

namespace tapestry::test {

struct OpGradient {
  std::vector<std::string> formulas;  // one for each input that has a gradient
  bool repeats = false;               // the gradient can be differentiated again
  bool deep = false;                  // an input has more than three axes
};

/// Prints recorded values as formulas; values with a name print as that.
class FormulaPrinter {
 public:
  FormulaPrinter(const Graph& graph, std::map<std::uint32_t, std::string> names)
      : graph_(graph), names_(std::move(names)) {}

  /// Formulas are trees and can be exponentially longer than the graph: beyond some length, "...".
  static constexpr std::size_t longest = 300;

  std::string operator()(std::size_t position) {
    const auto [found, added] = done_.try_emplace(position);
    if (added) {
      const std::string text = formula(position);
      done_[position] = text.size() > longest ? "..." : text;
    }
    return done_[position];
  }

 private:
  std::string formula(std::size_t position) {
    const GraphNode& node = graph_[position];
    if (const auto name = names_.find(node.id); name != names_.end()) return name->second;
    if (node.op.empty()) return constant(position);
    std::vector<std::string> x;
    for (const GraphEdge& edge : graph_.inputs(position)) x.push_back((*this)(edge.from));
    return infix(node, x).value_or(call(node, x));
  }

  std::string constant(std::size_t position) const {
    const GraphData data = graph_.value(position);
    if (data.state != DataState::present || data.min != data.max) return "constant";
    std::ostringstream text;
    text << data.min;
    return text.str();
  }

  static std::string grouped(const std::string& text) {
    return text.find(' ') == std::string::npos || is_call(text) ? text : "(" + text + ")";
  }
  /// Whether the text is one call: its first bracket is closed by its last.
  static bool is_call(const std::string& text) {
    int depth = 0;
    if (text.find('(') > text.find(' ')) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
      if (depth == 0 && text[i] == ')') return i + 1 == text.size();
    }
    return false;
  }

  static std::optional<std::string> infix(const GraphNode& node,
                                          const std::vector<std::string>& x) {
    static const std::map<std::string_view, std::string> symbols{
        {"add", " + "},     {"subtract", " - "},      {"multiply", " * "}, {"divide", " / "},
        {"less", " < "},    {"less_equal", " <= "},   {"equal", " = "},    {"not_equal", " != "},
        {"greater", " > "}, {"greater_equal", " >= "}};
    if (const auto symbol = symbols.find(node.op); symbol != symbols.end())
      return grouped(x[0]) + symbol->second + grouped(x[1]);
    const std::string attributes = str(node.attributes);
    if (node.op.ends_with("scalar") && node.op != "pow_scalar")
      return std::string_view("+-*/").find(attributes[0]) != std::string_view::npos &&
                     attributes[1] == ' '
                 ? grouped(x[0]) + " " + attributes
                 : attributes + " " + grouped(x[0]);
    if (node.op == "pow_scalar") return grouped(x[0]) + "^" + attributes.substr(9);
    if (node.op == "negative") return "-" + grouped(x[0]);
    if (node.op == "broadcast_to") return broadcast(x[0]);
    if (node.op == "square") return grouped(x[0]) + "²";
    if (node.op == "matmul") {
      const auto side = [&](std::size_t i, const char* mark) {
        return grouped(x[i]) + (attributes.find(mark) == std::string::npos ? "" : "ᵀ");
      };
      return side(0, "aT") + " @ " + side(1, "bT");
    }
    return std::nullopt;
  }

  /// Lost axes come back and are repeated: no more than broadcasting does without a word.
  static std::string broadcast(const std::string& x) {
    const std::string reshaped = "reshape(";
    return is_call(x) && x.starts_with(reshaped)
               ? x.substr(reshaped.size(), x.size() - reshaped.size() - 1)
               : x;
  }

  static std::string call(const GraphNode& node, const std::vector<std::string>& x) {
    std::string text = std::string(node.op) + "(";
    for (const std::string& argument : x) text += (text.back() == '(' ? "" : ", ") + argument;
    if (!node.attributes.empty()) text += ", " + str(node.attributes);
    return text + ")";
  }

  const Graph& graph_;
  std::map<std::uint32_t, std::string> names_;
  std::map<std::size_t, std::string> done_;
};

/// Where in the graph an op is applied, to different values if it takes several.
inline std::optional<std::size_t> find_op(const Graph& graph, const std::string& op) {
  for (std::size_t k = 0; k < graph.size(); ++k) {
    std::set<std::uint32_t> inputs;
    for (const GraphEdge& edge : graph.inputs(k)) inputs.insert(edge.from);
    if (graph[k].op == op && inputs.size() == graph.inputs(k).size()) return k;
  }
  return std::nullopt;
}

/// The point to show: small arrays of one shape, so that nothing is broadcast, or the first.
inline const Point& plain_point(const GradCase& c) {
  for (const Point& point : c.points) {
    bool plain = point[0].dimension() > 1 && point[0].dimension() < 4 && point[0].size() > 1;
    for (const Values& x : point) plain &= x.shape() == point[0].shape();
    if (plain) return point;
  }
  return c.points[0];
}

/// The gradient of the op at a node of `graph`, a snapshot of the tape.
inline OpGradient gradient_at(Tape<double>& tape, const Graph& graph, std::size_t position) {
  OpGradient result;
  std::map<std::uint32_t, std::string> names;
  std::vector<Variable<double>> x;
  const auto inputs = graph.inputs(position);
  for (const GraphEdge& edge : inputs) {
    const std::uint32_t id = graph[edge.from].id;
    result.deep |= graph[edge.from].shape.rank() > 3;
    names[id] = inputs.size() == 1 ? "x" : std::string(1, static_cast<char>('a' + edge.slot));
    if (edge.differentiable) x.emplace_back(tape.state(), id);
  }
  const Variable<double> y(tape.state(), graph[position].id);
  if (!y.requires_grad()) return result;
  const auto g = tape.variable(signed_sample(extents_of(as_values(y.value())), 0.5, 1.5), "g");
  names[y.index()] = "y";
  names[g.index()] = "g";
  result.repeats = true;
  for (const Variable<double>& input : x) {
    const std::vector<Variable<double>> one{input};
    const Variable<double> gradient =
        gradients(y, std::span<const Variable<double>>(one), g, {.differentiable = true})[0];
    result.repeats &= gradient.requires_grad();
    const Graph recorded = snapshot(gradient, {.values = true});
    const std::string of = x.size() == 1 ? "" : "d_" + names[input.index()] + " = ";
    result.formulas.push_back(of + FormulaPrinter(recorded, names)(recorded.roots()[0]));
  }
  return result;
}

/// The gradient of the op where it is applied in a case, or in the gradients of one.
inline std::optional<OpGradient> gradient_in_case(const std::string& op, const GradCase& c) {
  Tape<double> tape;
  std::vector<Variable<double>> x;
  for (const Values& array : plain_point(c)) x.push_back(tape.variable(array));
  const Variable<double> y = c.f(x);
  Graph graph = snapshot(y);
  if (!find_op(graph, op) && y.requires_grad() && !c.needs_recording)
    graph = snapshot(
        gradients(sum(square(y)), std::span<const Variable<double>>(x), {.differentiable = true}));
  const auto found = find_op(graph, op);
  if (!found) return std::nullopt;
  return gradient_at(tape, graph, *found);
}

/// Whether the text has a whole number of more than two digits, or any of more than six.
inline bool has_long_number(const std::string& text) {
  static const std::regex number(R"((^|[^.\d])\d{3,}(?!\d*\.)|\d{7,})");
  return std::regex_search(text, number);
}

/// How well formulas read: those that bend shapes, need many axes or have odd numbers are worse,
/// otherwise the longer ones say more.
inline int clarity(const OpGradient& gradient) {
  constexpr int line = 200;
  int n = 0;
  int bends = gradient.deep ? 1 : 0;
  for (const std::string& formula : gradient.formulas) {
    n += static_cast<int>(formula.size());
    if (formula == "g") bends += 2;
    bends += has_long_number(formula) ? 1 : 0;
    if (formula.find("* -") != std::string::npos) n -= 10;
    for (const char* word : {"...", "reshape(", "slice(slice", "sum_to(", "gᵀ"})
      bends += formula.find(word) == std::string::npos ? 0 : 1;
  }
  return (n <= line ? n : 0) - 2 * line * bends;
}

/// The gradient of an op, from the case of its name that shows it best.
inline OpGradient gradient_of_op(const std::string& op, const std::vector<GradCase>& cases) {
  std::optional<OpGradient> best;
  for (const GradCase& c : cases) {
    if (c.name != op) continue;
    const std::optional<OpGradient> gradient = gradient_in_case(op, c);
    if (gradient && (!best || clarity(*gradient) > clarity(*best))) best = gradient;
  }
  BOOST_TEST(best.has_value(), "no case applies " << op);
  return best.value_or(OpGradient{});
}

}  // namespace tapestry::test
