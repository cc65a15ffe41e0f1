// SPDX-License-Identifier: MIT
// Where the memory of a tape goes.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include "tapestry/autodiff/tape.hpp"

namespace tapestry {

/// Memory of the values on a tape, in bytes. A value counts where its memory is owned: views of
/// others (reshape, slices of rows), parameters and what backward has given back count 0. What a
/// fused op keeps for backward counts with its first output.
struct MemoryRow {
  std::string name;           ///< op or scope
  std::size_t count = 0;      ///< how many values there are, whether they own memory or not
  std::size_t values = 0;     ///< bytes
  std::size_t gradients = 0;  ///< bytes; those of parameters are not on the tape

  [[nodiscard]] std::size_t total() const { return values + gradients; }
};

struct MemoryReport {
  /// By the op that computed them; leaves are "(input)", "(constant)", "(parameter)", and what was
  /// computed without recording is "(not recorded)". The largest first.
  std::vector<MemoryRow> by_op;

  /// By the innermost scope, such as "lstm, layer 0"; "(none)" outside of all. The largest first.
  std::vector<MemoryRow> by_scope;

  MemoryRow all;             ///< the sum of either list
  std::size_t other = 0;     ///< bytes of ops, of indices they keep, and of rounding up
  std::size_t peak = 0;      ///< the most that was in use at a time
  std::size_t reserved = 0;  ///< taken from the heap

  /// As two tables, in KiB.
  friend std::ostream& operator<<(std::ostream& out, const MemoryReport& report);
};

struct MemoryReportOptions {
  /// Time steps of one layer count as one scope, "lstm, layer 0, step *".
  bool merge_steps = true;
};

/// Adds up the memory of all values on the tape, in time linear in their number.
template <class T>
MemoryReport memory_report(const Tape<T>& tape, MemoryReportOptions options = {});

}  // namespace tapestry
