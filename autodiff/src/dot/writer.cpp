// SPDX-License-Identifier: MIT
#include "dot/writer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dot/drawing.hpp"
#include "dot/guides.hpp"
#include "dot/label.hpp"
#include "dot/text.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::detail {
namespace {

// Light fills and dark lines that stay apart in grey and for the color-blind (after Okabe and Ito,
// 2008). The roles differ in their outline as well.
constexpr std::string_view graph_style =
    "newrank=true, nodesep=0.16, ranksep=0.26, pad=0.2, fontname=\"Helvetica,Arial,sans-serif\", "
    "fontsize=11, fontcolor=\"#3D4753\"";
constexpr std::size_t deepest = 32;  // clusters inside one another
// Of so many nodes Graphviz would seek the very best places for minutes.
constexpr std::size_t many_boxes = 200;
constexpr const char* bounded_work = ", nslimit=4, nslimit1=4";
constexpr std::string_view node_style =
    "shape=box, style=\"rounded,filled\", fillcolor=\"#FFFFFF\", color=\"#6B7785\", "
    "fontname=\"Helvetica,Arial,sans-serif\", fontsize=12, fontcolor=\"#1F2933\", "
    "width=0.36, height=0.3, margin=\"0.07,0.04\"";
constexpr std::string_view edge_style =
    "color=\"#52606D\", fontcolor=\"#52606D\", arrowsize=0.55, weight=2, "
    "fontname=\"Helvetica,Arial,sans-serif\", fontsize=9";

constexpr std::string_view root_style = "fillcolor=\"#F9DDD2\", color=\"#B8400E\", penwidth=2";
constexpr std::string_view parameter_style =
    "style=filled, fillcolor=\"#FFE9B8\", color=\"#B27700\"";
constexpr std::string_view input_style = "fillcolor=\"#D8E9F7\", color=\"#1F6FA8\"";
constexpr std::string_view short_input_style =
    "shape=ellipse, style=filled, fillcolor=\"#D8E9F7\", color=\"#1F6FA8\"";
constexpr std::string_view constant_style =
    "style=\"filled,dashed\", fillcolor=\"#ECEFF2\", color=\"#8793A0\"";

constexpr std::string_view module_style = "fillcolor=\"#F4F7FA\", color=\"#A9B6C4\", margin=10";
constexpr std::string_view layer_style = "fillcolor=\"#E7EDF4\", color=\"#A9B6C4\", margin=9";
constexpr std::string_view step_style =
    "fillcolor=\"#FCFDFE\", color=\"#C3CDD8\", margin=7, fontsize=10";

constexpr std::string_view recurrent_style = "color=\"#1F6FA8\", penwidth=1.7, weight=1";
constexpr std::string_view shared_style = "style=dashed, color=\"#B99B55\", penwidth=0.8";

constexpr std::string_view faded_box =
    "fillcolor=\"#FBFCFD\", color=\"#D5DBE1\", fontcolor=\"#A3AEBA\"";
constexpr std::string_view faded_arrow = "color=\"#D5DBE1\", penwidth=0.8";

class Writer {
 public:
  Writer(const Graph& graph, const DotOptions& options)
      : graph_(graph), options_(options), drawing_(make_drawing(graph, options)) {}

  std::string write() {
    sort_into_clusters();
    line("digraph tapestry {");
    ++depth_;
    line("graph [rankdir=" + std::string(drawing_.to_the_right ? "LR" : "TB") + ", " +
         std::string(graph_style) + (drawing_.boxes.size() > many_boxes ? bounded_work : "") + "]");
    line("node [" + std::string(node_style) + "]");
    line("edge [" + std::string(edge_style) + "]");
    clusters();
    if (!options_.overlay.title.empty())
      line("graph [label=<" + html(options_.overlay.title, 200) + ">, labelloc=t, labeljust=c]");
    --depth_;
    line("}");
    return std::move(out_);
  }

 private:
  struct Cluster {
    std::vector<std::string> nodes;
    std::vector<std::uint32_t> inner;  // scopes
    std::vector<std::string> edges;
    bool used = false;
  };

  void line(std::string_view text) {
    out_.append(2 * std::min(depth_, deepest), ' ').append(text) += '\n';
  }

  [[nodiscard]] std::string id(std::uint32_t box) const {
    return "n" + std::to_string(graph_[drawing_.boxes[box].node].id);
  }

  /// Everything is written inside the innermost cluster that holds all of it.
  void sort_into_clusters() {
    find_drawn_scopes();
    clusters_.resize(graph_.scopes().size());
    if (drawing_.left_out > 0) add_note();
    for (std::uint32_t b = 0; b < drawing_.boxes.size(); ++b) {
      Cluster& cluster = clusters_[drawn_[drawing_.boxes[b].scope]];
      cluster.nodes.push_back(node_line(b));
      cluster.used = true;
    }
    for (auto s = static_cast<std::uint32_t>(clusters_.size()); s-- > 1;)
      if (clusters_[s].used) clusters_[graph_.scopes()[s].parent].used = true;
    for (std::uint32_t s = 1; s < clusters_.size(); ++s)
      if (clusters_[s].used) clusters_[graph_.scopes()[s].parent].inner.push_back(s);
    for (const Arrow& arrow : drawing_.arrows) add_edge(arrow.from, arrow.to, arrow_line(arrow));
    add_joints();
    for (const Guide& guide : drawing_.guides)
      add_edge(guide.from, guide.to,
               id(guide.from) + " -> " + id(guide.to) + " [style=invis, weight=0]");
  }

  /// What lies in scopes that are too deep is drawn in the last one that is not: Graphviz itself
  /// gives up on very many clusters inside one another.
  void find_drawn_scopes() {
    const std::span<const GraphScope> scopes = graph_.scopes();
    std::vector<std::size_t> depth(scopes.size());
    drawn_.resize(scopes.size());
    for (std::uint32_t s = 1; s < scopes.size(); ++s) {  // parents come first
      depth[s] = depth[scopes[s].parent] + 1;
      drawn_[s] = depth[s] <= deepest ? s : drawn_[scopes[s].parent];
    }
    for (const Box& box : drawing_.boxes)
      if (depth[box.scope] > deepest)
        left_in_[drawn_[box.scope]] =
            std::max(left_in_[drawn_[box.scope]], depth[box.scope] - deepest);
  }

  /// The points of each bus, and the line through them to its box or from it. The joints are as far
  /// apart as what they join, and nothing that meets them has the weight 0: else the layout would
  /// not bring a joint to its arrow, and be where it was without a bus.
  void add_joints() {
    const auto& joints = drawing_.joints;
    for (std::uint32_t j = 0; j < joints.size(); ++j) {
      const Arrow& arrow = drawing_.arrows[joints[j].arrow];
      const bool first = j == 0 || joints[j - 1].bus != joints[j].bus;
      const bool last = j + 1 == joints.size() || joints[j + 1].bus != joints[j].bus;
      Cluster& cluster = clusters_[drawn_[joints[j].scope]];
      cluster.nodes.push_back(joint(j) + " [shape=point, width=0.03, tooltip=\"\"]");
      cluster.used = true;
      std::string style(kind_style(arrow));
      if (!style.empty()) style += ", ";
      const auto wire = [&](const std::string& from, const std::string& to,
                            const std::string& attributes) {
        cluster.edges.push_back(from + " -> " + to + " [" + style + attributes + "]");
      };
      if (!first)
        wire(joint(j - 1), joint(j),
             "arrowhead=none, minlen=" + std::to_string(joints[j].rank - joints[j - 1].rank));
      if (first && !joints[j].into) wire(source(arrow), joint(j), "arrowhead=none");
      if (last && joints[j].into) wire(joint(j), id(arrow.to), "arrowhead=normal");
    }
  }

  static std::string joint(std::uint32_t j) { return "joint" + std::to_string(j); }

  void add_edge(std::uint32_t from, std::uint32_t to, std::string text) {
    const std::uint32_t scope =
        common_scope(graph_, drawn_[drawing_.boxes[from].scope], drawn_[drawing_.boxes[to].scope]);
    clusters_[scope].edges.push_back(std::move(text));
  }

  /// Says what does not fit.
  void add_note() {
    clusters_[0].nodes.push_back("left_out [shape=plain, fontsize=11, label=<<i>… " +
                                 grouped(drawing_.left_out) + " earlier node" +
                                 (drawing_.left_out == 1 ? "" : "s") +
                                 " left out, inputs of<br/>the dotted ones; raise max_nodes</i>>]");
  }

  [[nodiscard]] std::string node_line(std::uint32_t b) const {
    const Box& box = drawing_.boxes[b];
    const DotMark& mark = mark_of(box);
    const std::string note =
        mark.note.empty() ? "" : "<font point-size=\"9\">" + html(mark.note) + "</font>";
    std::string text = id(b) + " [label=<" +
                       box_label(graph_, box, options_, drawing_.to_the_right) +
                       (note.empty() || box.count > 1 ? "" : "<br/>" + note) + ">";
    if (box.count > 1 && !note.empty()) text += ", xlabel=<" + note + ">";
    if (const std::string_view style = role_style(box); !style.empty())
      text.append(", ").append(style);
    if (box.cut) text += ", style=\"rounded,filled,dotted\"";
    text += mark_style(mark, faded_box);
    return text + ", tooltip=" + dot_string(box_tooltip(graph_, box)) + "]";
  }

  /// The mark for one of the values in a box.
  [[nodiscard]] const DotMark& mark_of(const Box& box) const {
    const DotOverlay& overlay = options_.overlay;
    for (std::uint32_t j = 0; j < box.count; ++j)
      if (const auto at = overlay.values.find(graph_[box.node + j].id); at != overlay.values.end())
        return at->second;
    const std::uint32_t parameter = graph_[box.node].parameter;
    if (parameter != GraphNode::no_parameter && !options_.parameter_uses)
      for (const auto& [value, mark] : overlay.values)
        if (const auto use = graph_.find(value); use && graph_[*use].parameter == parameter)
          return mark;
    return overlay.other_values;
  }

  [[nodiscard]] const DotMark& mark_of(const Arrow& arrow) const {
    const DotOverlay& overlay = options_.overlay;
    const auto at =
        overlay.arrows.find({graph_[drawing_.boxes[arrow.to].node].first_output, arrow.slot});
    return at == overlay.arrows.end() ? overlay.other_arrows : at->second;
  }

  static std::string mark_style(const DotMark& mark, std::string_view faded) {
    std::string text;
    if (mark.faded) text.append(", ").append(faded);
    if (!mark.fill.empty()) text += ", fillcolor=" + dot_string(mark.fill);
    if (!mark.color.empty()) text += ", color=" + dot_string(mark.color);
    if (mark.width > 0) text += ", penwidth=" + fixed_text(mark.width, 2);
    return text;
  }

  [[nodiscard]] std::string_view role_style(const Box& box) const {
    for (std::uint32_t j = 0; j < box.count; ++j)
      if (graph_[box.node + j].root) return root_style;
    switch (graph_[box.node].role) {
      case Role::parameter:
        return parameter_style;
      case Role::input:  // an ellipse around many numbers is too large
        return options_.values || options_.gradients ? input_style : short_input_style;
      case Role::constant:
        return constant_style;
      case Role::op:
        break;
    }
    return {};
  }

  [[nodiscard]] std::string arrow_line(const Arrow& arrow) const {
    const bool joined = arrow.joint != Arrow::no_joint;
    const bool into = joined && drawing_.joints[arrow.joint].into;
    const std::string text = (joined && !into ? joint(arrow.joint) : source(arrow)) + " -> " +
                             (into ? joint(arrow.joint) : id(arrow.to));
    std::string style(kind_style(arrow));
    const auto add = [&style](std::string_view attribute) {
      style.append(style.empty() ? "" : ", ").append(attribute);
    };
    if (arrow.back) add("constraint=false");
    if (into) add("arrowhead=none");
    if (!joined && arrow.kind == ArrowKind::shared) add(arrow.again ? "weight=0" : "weight=1");
    if (!joined && arrow.kind == ArrowKind::plain && enters_step(arrow)) add("weight=1");
    const std::string_view op = graph_[drawing_.boxes[arrow.to].node].op;
    if (arrow.slot == 1 && (op == "subtract" || op == "divide")) {  // tells the operands apart
      add("labeldistance=1.4");
      add(op == "divide" ? "headlabel=\"÷\"" : "headlabel=\"−\"");
    }
    const DotMark& mark = mark_of(arrow);
    std::string marks = mark_style(mark, faded_arrow);
    if (!mark.note.empty()) marks += ", label=<" + html(mark.note) + ">";
    if (style.empty() && !marks.empty()) marks.erase(0, 2);
    return style.empty() && marks.empty() ? text : text + " [" + style + marks + "]";
  }

  /// Where an arrow begins: at a box, or at one of the outputs in it.
  [[nodiscard]] std::string source(const Arrow& arrow) const {
    const Box& from = drawing_.boxes[arrow.from];
    if (from.count < 2) return id(arrow.from);
    return id(arrow.from) + ":o" + std::to_string(graph_[from.node + arrow.output].output) +
           (drawing_.to_the_right ? ":e" : ":s");
  }

  static std::string_view kind_style(const Arrow& arrow) {
    if (arrow.kind == ArrowKind::recurrent) return recurrent_style;
    if (arrow.kind == ArrowKind::shared) return shared_style;
    return {};
  }

  /// Such arrows are long and may bend; the shorter the others, the better.
  [[nodiscard]] bool enters_step(const Arrow& arrow) const {
    const std::uint32_t step = step_of(graph_, drawing_.boxes[arrow.to].scope);
    return step != 0 && step != step_of(graph_, drawing_.boxes[arrow.from].scope);
  }

  /// Writes the clusters, inner ones inside outer ones, without recursion.
  void clusters() {
    struct Open {
      std::uint32_t scope;
      std::size_t next = 0;  // of its inner clusters
    };
    std::vector<Open> open{{0}};
    for (const std::string& text : clusters_[0].nodes) line(text);
    while (!open.empty()) {
      Open& top = open.back();
      const Cluster& cluster = clusters_[top.scope];
      if (top.next < cluster.inner.size()) {
        const std::uint32_t inner = cluster.inner[top.next++];
        open_cluster(inner);
        open.push_back({inner});
        continue;
      }
      for (const std::string& text : cluster.edges) line(text);
      if (top.scope != 0) {
        --depth_;
        line("}");
      }
      open.pop_back();
    }
  }

  void open_cluster(std::uint32_t scope) {
    const GraphScope& of = graph_.scopes()[scope];
    const bool step = of.kind == ScopeKind::step;
    std::string label = html(scope_label(of)) + roll_label(drawing_.rolls, scope);
    if (const auto left = left_in_.find(scope); left != left_in_.end())
      label += " … and scopes inside one another, " + grouped(left->second) + " deep";
    const std::string_view style = step                          ? step_style
                                   : of.kind == ScopeKind::layer ? layer_style
                                                                 : module_style;
    line("subgraph cluster_s" + std::to_string(scope) + " {");
    ++depth_;
    const std::string_view place = !step                   ? "labeljust=l"
                                   : drawing_.to_the_right ? "labelloc=b, labeljust=r"
                                                           : "labeljust=r";
    line("graph [label=<" + (step ? label : "<b>" + label + "</b>") + ">, " + std::string(place) +
         ", style=\"rounded,filled\", " + std::string(style) + "]");
    for (const std::string& text : clusters_[scope].nodes) line(text);
  }

  const Graph& graph_;
  const DotOptions& options_;
  Drawing drawing_;
  std::vector<Cluster> clusters_;                 // by scope
  std::vector<std::uint32_t> drawn_;              // by scope: the one that stands for it
  std::map<std::uint32_t, std::size_t> left_in_;  // by drawn scope: how far what is in it goes on
  std::string out_;
  std::size_t depth_ = 0;
};

}  // namespace

std::string write_dot(const Graph& graph, const DotOptions& options) {
  return Writer(graph, options).write();
}

}  // namespace tapestry::detail
