// SPDX-License-Identifier: MIT
#include "tapestry/data/token_source.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry::data {
namespace {

void check(const char* op, std::size_t first, std::size_t count, std::size_t size) {
  if (count <= size && first <= size - count) return;
  throw IndexError(op, std::to_string(count) + " tokens from number " + std::to_string(first) +
                           " on are asked for, there are " + std::to_string(size));
}

}  // namespace

void TokenSource::check_range(std::size_t first, std::size_t count) const {
  check("TokenSource", first, count, size());
}

TokenArray::TokenArray(Indices tokens) : tokens_(std::move(tokens)) {
  if (tokens_.dimension() != 1)
    throw ShapeError("TokenArray",
                     "tokens must have one axis, their shape is " + Shape(tokens_.shape()).str());
}

void TokenArray::read(std::size_t first, std::span<std::int64_t> into) const {
  check_range(first, into.size());
  std::copy_n(tokens_.data() + first, into.size(), into.begin());
}

TokenRange::TokenRange(std::shared_ptr<const TokenSource> source, std::size_t first,
                       std::size_t count)
    : source_(std::move(source)), first_(first), count_(count) {
  if (!source_) throw ArgumentError("TokenRange", "there is no source");
  check("TokenRange", first, count, source_->size());
}

void TokenRange::read(std::size_t first, std::span<std::int64_t> into) const {
  check_range(first, into.size());
  source_->read(first_ + first, into);
}

}  // namespace tapestry::data
