// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/memory_report.hpp"

#include <algorithm>
#include <array>
#include <ostream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/utf8.hpp"

namespace tapestry {
namespace {

template <class T>
std::string op_of(const detail::TapeState<T>& state, const detail::Entry<T>& entry) {
  if (entry.node != detail::none) return std::string(state.nodes[entry.node].info->name);
  if (entry.role == Role::op) return "(not recorded)";
  return "(" + std::string(detail::title_of(entry.role)) + ")";
}

template <class T>
std::string scope_of(const detail::TapeState<T>& state, std::uint32_t scope,
                     const MemoryReportOptions& options) {
  std::vector<std::string> around;
  for (; scope != 0; scope = state.scopes[scope].parent) {
    const detail::ScopeEntry& entry = state.scopes[scope];
    const bool merge = options.merge_steps && entry.kind == ScopeKind::step;
    around.push_back(merge ? state.names[entry.name] + " *" : state.scopes.label(scope));
  }
  std::ranges::reverse(around);
  return around.empty() ? "(none)" : detail::join_labels(around, ", ");
}

/// Rows by name, in the order of their first use.
class Rows {
 public:
  void add(const std::string& name, const MemoryRow& row) {
    const auto [found, added] = positions_.try_emplace(name, rows_.size());
    if (added) rows_.push_back({name});
    MemoryRow& sum = rows_[found->second];
    sum.count += row.count;
    sum.values += row.values;
    sum.gradients += row.gradients;
  }

  /// The largest first.
  std::vector<MemoryRow> sorted() && {
    std::ranges::stable_sort(rows_, std::ranges::greater{}, &MemoryRow::total);
    return std::move(rows_);
  }

 private:
  std::vector<MemoryRow> rows_;
  std::unordered_map<std::string, std::size_t> positions_;
};

std::string kib(std::size_t bytes) { return fixed_text(static_cast<double>(bytes) / 1024, 1); }

std::string space_for(const std::string& text, std::size_t width) {
  const std::size_t used = utf8::count(text);
  return std::string(width - std::min(width, used), ' ');
}

/// The first column to the left, the others, numbers, to the right.
std::string line_of(const std::array<std::string, 5>& cells, std::size_t width) {
  std::string line = cells[0] + space_for(cells[0], width);
  for (std::size_t k = 1; k < cells.size(); ++k)
    line += space_for(cells[k], k == 1 ? 10 : 12) + cells[k];
  return line + '\n';
}

std::string line_of(const MemoryRow& row, std::size_t width) {
  return line_of({utf8::shown(row.name), std::to_string(row.count), kib(row.values),
                  kib(row.gradients), kib(row.total())},
                 width);
}

std::string table_of(const char* title, const std::vector<MemoryRow>& rows, std::size_t width) {
  std::string text = line_of({title, "count", "values", "gradients", "KiB"}, width);
  for (const MemoryRow& row : rows) text += line_of(row, width);
  return text + '\n';
}

}  // namespace

template <class T>
MemoryReport memory_report(const Tape<T>& tape, MemoryReportOptions options) {
  const detail::TapeState<T>& state = tape.state();
  Rows by_op;
  Rows by_scope;
  MemoryReport report;
  report.all.name = "all";
  std::unordered_map<std::uint32_t, std::string> paths;
  for (const detail::Entry<T>& entry : state.entries) {
    if (entry.vacant) continue;
    MemoryRow row{{}, 1};
    if (entry.data && !entry.borrowed) row.values = entry.bytes();
    if (entry.node != detail::none && entry.output == 0)
      row.values += state.nodes[entry.node].kept_bytes();
    if (entry.grad && !entry.grad_borrowed) row.gradients = entry.bytes();
    const auto [path, added] = paths.try_emplace(entry.scope);
    if (added) path->second = scope_of(state, entry.scope, options);
    by_op.add(op_of(state, entry), row);
    by_scope.add(path->second, row);
    ++report.all.count;
    report.all.values += row.values;
    report.all.gradients += row.gradients;
  }
  report.by_op = std::move(by_op).sorted();
  report.by_scope = std::move(by_scope).sorted();
  report.other = tape.memory_used() - report.all.total();
  report.peak = tape.memory_peak();
  report.reserved = tape.memory_reserved();
  return report;
}

std::ostream& operator<<(std::ostream& out, const MemoryReport& report) {
  std::size_t width = 16;
  for (const auto* rows : {&report.by_op, &report.by_scope})
    for (const MemoryRow& row : *rows) width = std::max(width, utf8::count(row.name));
  return out << table_of("op", report.by_op, width) + table_of("scope", report.by_scope, width) +
                    line_of(report.all, width) + "ops and rounding " + kib(report.other) +
                    ", peak " + kib(report.peak) + ", reserved " + kib(report.reserved) + " KiB\n";
}

template MemoryReport memory_report(const Tape<float>&, MemoryReportOptions);
template MemoryReport memory_report(const Tape<double>&, MemoryReportOptions);

}  // namespace tapestry
