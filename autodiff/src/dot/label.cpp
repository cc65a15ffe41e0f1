// SPDX-License-Identifier: MIT
#include "dot/label.hpp"

#include <algorithm>
#include <ranges>
#include <string_view>
#include <vector>

#include "dot/text.hpp"
#include "tapestry/autodiff/detail/state.hpp"

namespace tapestry::detail {
namespace {

constexpr std::string_view faint = "#5F6B78";
constexpr std::string_view plain = "#1F2933";
constexpr std::string_view gradient_color = "#B8400E";

std::string small(std::string_view text, std::string_view color) {
  return "<font point-size=\"9\" color=\"" + std::string(color) + "\">" + std::string(text) +
         "</font>";
}

std::string join(const std::vector<std::string>& parts, std::string_view between) {
  std::string text;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    if (!text.empty()) text += between;
    text += part;
  }
  return text;
}

/// The name of a node without the parts of the model that its cluster already tells:
/// "weight_ih_l0" for "lstm.weight_ih_l0" in the cluster "lstm".
std::string_view short_name(const Graph& graph, const GraphNode& node, std::uint32_t scope) {
  std::string_view name = node.name;
  std::vector<std::string_view> around;
  for (; scope != 0; scope = graph.scopes()[scope].parent)
    if (graph.scopes()[scope].kind == ScopeKind::module)
      around.push_back(graph.scopes()[scope].name);
  for (auto part = around.rbegin(); part != around.rend(); ++part)
    if (name.size() > part->size() + 1 && name.starts_with(*part) && name[part->size()] == '.')
      name.remove_prefix(part->size() + 1);
  return name;
}

/// An unnamed constant of one element is known by its value.
bool is_number(const GraphNode& node) {
  return node.role == Role::constant && node.name.empty() && node.shape.size() == 1;
}

std::string shape_text(const Shape& shape) { return shape.rank() == 0 ? "" : shape.str(); }

/// Lines for the value and the gradient, as far as they are asked for.
std::string numbers(const Graph& graph, std::uint32_t node, const DotOptions& options) {
  const GraphNode& of = graph[node];
  const GraphData value = graph.value(node);
  const GraphData gradient = graph.gradient(node);
  std::vector<std::string> lines;
  if (options.values && value.state == DataState::present && !is_number(of))
    lines.push_back(small("= " + numbers_html(value, of.shape), plain));
  if (options.values && value.state == DataState::absent)
    lines.push_back(small("value released", plain));
  if (options.gradients && gradient.state == DataState::present)
    lines.push_back(small("∇ " + numbers_html(gradient, of.shape), gradient_color));
  if (options.gradients && gradient.state == DataState::absent && of.requires_grad)
    lines.push_back(small("no gradient", gradient_color));
  return join(lines, "<br/>");
}

std::string value_label(const Graph& graph, const Box& box, const DotOptions& options,
                        std::string_view between) {
  const GraphNode& node = graph[box.node];
  const std::string op = html(op_symbol(node));
  std::string title;
  std::vector<std::string> details;
  if (!node.name.empty()) {
    title = "<b>" + html(short_name(graph, node, box.scope)) + "</b>";
    details.push_back(op);
  } else if (is_number(node)) {
    title = numbers_html(graph.value(box.node), {});
  } else {
    title = node.op.empty() ? std::string(detail::title_of(node.role)) : op;
  }
  details.push_back(html(op_detail(node)));
  details.push_back(shape_text(node.shape));
  const std::string detail = join(details, between);
  return join(
      {title, detail.empty() ? "" : small(detail, faint), numbers(graph, box.node, options)},
      "<br/>");
}

/// A box with a cell for each output, on the side where arrows leave.
std::string outputs_label(const Graph& graph, const Box& box, const DotOptions& options,
                          bool to_the_right) {
  const GraphNode& first = graph[box.node];
  std::vector<std::string> cells;
  for (std::uint32_t j = 0; j < box.count; ++j) {
    const GraphNode& output = graph[box.node + j];
    const std::string name =
        output.name.empty() ? std::to_string(output.output) : "<b>" + html(output.name) + "</b>";
    cells.push_back("<td port=\"o" + std::to_string(output.output) + "\">" +
                    join({small(name, plain), numbers(graph, box.node + j, options)}, "<br/>") +
                    "</td>");
  }
  const std::string title =
      html(op_symbol(first)) + "<br/>" +
      small(join({html(op_detail(first)), shape_text(first.shape)}, to_the_right ? "<br/>" : " "),
            faint);
  const std::string table =
      "<table border=\"0\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"2\"><tr><td ";
  const std::string span = "span=\"" + std::to_string(cells.size()) + "\">";
  if (to_the_right)
    return table + "row" + span + title + "</td><vr/>" + join(cells, "</tr><hr/><tr>") +
           "</tr></table>";
  return table + "col" + span + title + "</td></tr><hr/><tr>" + join(cells, "<vr/>") +
         "</tr></table>";
}

}  // namespace

std::string box_label(const Graph& graph, const Box& box, const DotOptions& options,
                      bool to_the_right) {
  if (box.count > 1) return outputs_label(graph, box, options, to_the_right);
  return value_label(graph, box, options, to_the_right ? "<br/>" : " ");
}

std::string box_tooltip(const Graph& graph, const Box& box) {
  const GraphNode& node = graph[box.node];
  std::vector<std::string> scopes;
  for (std::uint32_t s = box.scope; s != 0; s = graph.scopes()[s].parent)
    scopes.push_back(scope_label(graph.scopes()[s]));
  std::ranges::reverse(scopes);
  const std::string what(node.op.empty() ? detail::title_of(node.role) : node.op);
  return join(
      {"n" + std::to_string(node.id) + ":", std::string(node.name), what, str(node.attributes),
       node.shape.str(), scopes.empty() ? "" : "in " + join_labels(scopes, ", ")},
      " ");
}

}  // namespace tapestry::detail
