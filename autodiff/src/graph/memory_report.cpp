// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/memory_report.hpp"

#include <algorithm>
#include <iomanip>
#include <ostream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

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

void write_row(std::ostream& out, const MemoryRow& row, std::size_t width) {
  const auto kib = [&](std::size_t bytes) {
    out << std::setw(12) << static_cast<double>(bytes) / 1024;
  };
  out << std::left << std::setw(static_cast<int>(width)) << row.name << std::right << std::setw(10)
      << row.count;
  kib(row.values);
  kib(row.gradients);
  kib(row.total());
  out << '\n';
}

void write_table(std::ostream& out, std::string_view title, const std::vector<MemoryRow>& rows,
                 std::size_t width) {
  out << std::left << std::setw(static_cast<int>(width)) << title << std::right << std::setw(10)
      << "count" << std::setw(12) << "values" << std::setw(12) << "gradients" << std::setw(12)
      << "KiB" << '\n';
  for (const MemoryRow& row : rows) write_row(out, row, width);
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
    for (const MemoryRow& row : *rows) width = std::max(width, row.name.size());
  const auto flags = out.flags();
  const auto precision = out.precision(1);
  out << std::fixed;
  write_table(out, "op", report.by_op, width);
  out << '\n';
  write_table(out, "scope", report.by_scope, width);
  out << '\n';
  write_row(out, report.all, width);
  const auto kib = [](std::size_t bytes) { return static_cast<double>(bytes) / 1024; };
  out << "ops and rounding " << kib(report.other) << ", peak " << kib(report.peak) << ", reserved "
      << kib(report.reserved) << " KiB\n";
  out.precision(precision);
  out.flags(flags);
  return out;
}

template MemoryReport memory_report(const Tape<float>&, MemoryReportOptions);
template MemoryReport memory_report(const Tape<double>&, MemoryReportOptions);

}  // namespace tapestry
