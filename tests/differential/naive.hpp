// SPDX-License-Identifier: MIT
// The reference evaluator. It knows the programs and scalar arithmetic, and nothing of the library:
// every element of every array is a node of a scalar graph, found by its position.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "differential/number_ops.hpp"
#include "differential/program.hpp"

namespace differential {

using Position = std::vector<std::size_t>;

/// Calls `body(position)` for each position in an array of this shape, in row-major order.
template <class Body>
void for_each_position(const Extents& shape, const Body& body) {
  const std::size_t n = count_of(shape);
  Position position(shape.size());
  for (std::size_t flat = 0; flat < n; ++flat) {
    body(std::as_const(position));
    for (std::size_t i = shape.size(); i-- > 0;) {
      if (++position[i] < shape[i]) break;
      position[i] = 0;
    }
  }
}

inline std::size_t axis_of(int axis, std::size_t rank) {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<int>(rank) : axis);
}

/// Whether the shapes broadcast; their common shape.
inline bool broadcast(const Extents& a, const Extents& b, Extents& result) {
  result.assign(std::max(a.size(), b.size()), 1);
  for (const Extents* shape : {&a, &b})
    for (std::size_t i = 0; i < shape->size(); ++i) {
      std::size_t& extent = result[result.size() - shape->size() + i];
      if ((*shape)[i] == 1) continue;
      if (extent != 1 && extent != (*shape)[i]) return false;
      extent = (*shape)[i];
    }
  return true;
}

/// An array of nodes.
struct NodeArray {
  Extents shape;
  std::vector<std::size_t> nodes;
  bool differentiable = false;

  /// The node at a position of an array that this one broadcasts to.
  [[nodiscard]] std::size_t at(const Position& position) const {
    const std::size_t lead = position.size() - shape.size();
    std::size_t flat = 0;
    for (std::size_t i = 0; i < shape.size(); ++i)
      flat = flat * shape[i] + (shape[i] == 1 ? 0 : position[lead + i]);
    return nodes[flat];
  }
};

template <class N>
class Naive {
 public:
  [[nodiscard]] const NodeArray& operator[](std::size_t value) const { return values_[value]; }
  [[nodiscard]] const ScalarGraph<N>& graph() const { return numbers_.graph(); }

  /// Differs between two runs when a comparison went the other way.
  [[nodiscard]] std::uint64_t decisions() const { return numbers_.decisions(); }
  /// Whether rounding may turn a comparison of this run round.
  [[nodiscard]] bool unsafe() const { return numbers_.unsafe(); }

  void leaf(const Leaf& leaf, const Numbers& data) {
    NodeArray array{leaf.shape, {}, leaf.has_gradient()};
    for (std::size_t i = 0; i < data.size(); ++i) {
      N x = data[i];
      if constexpr (requires { x.slope; })
        if (leaf.has_gradient()) x.slope = leaf.direction[i];
      array.nodes.push_back(numbers_.leaf(x, data[i] == std::round(data[i])));
    }
    set(leaf.value, std::move(array));
  }

  void run(const Instruction& i);

  /// Forgets the values of an instruction and what they were computed from.
  void forget(const Instruction& i, std::size_t graph_size) {
    numbers_.forget(graph_size);
    for (const std::size_t value : i.results) values_[value] = {};
  }

 private:
  void set(std::size_t value, NodeArray array) {
    if (values_.size() <= value) values_.resize(value + 1);
    values_[value] = std::move(array);
  }
  [[nodiscard]] const NodeArray& in(const Instruction& i, std::size_t k) const {
    return values_.at(i.inputs.at(k));
  }
  NodeArray elementwise(const Instruction& i);
  NodeArray reduce(const Instruction& i);
  NodeArray along_axis(const Instruction& i);
  NodeArray cross_entropy(const Instruction& i);
  NodeArray rearranged(const Instruction& i);
  NodeArray joined(const Instruction& i);
  NodeArray taken(const Instruction& i);
  NodeArray matmul(const Instruction& i);
  void split(const Instruction& i);

  /// The array of this shape whose node at each position is `node(position)`.
  template <class At>
  static NodeArray gather(Extents shape, const At& node) {
    NodeArray array{std::move(shape), {}, false};
    for_each_position(array.shape, [&](const Position& p) { array.nodes.push_back(node(p)); });
    return array;
  }

  NumberOps<N> numbers_;
  std::vector<NodeArray> values_;
};

template <class N>
NodeArray Naive<N>::elementwise(const Instruction& i) {
  Extents shape;
  for (std::size_t k = 0; k < i.inputs.size(); ++k)
    if (!broadcast(Extents(shape), in(i, k).shape, shape))
      throw std::logic_error("shapes that do not broadcast");
  return gather(shape, [&](const Position& p) {
    const std::size_t a = in(i, 0).at(p);
    if (i.op == Op::where) return numbers_.choose(a, in(i, 1).at(p), in(i, 2).at(p));
    if (i.op == Op::where_number)
      return numbers_.choose(a, in(i, 1).at(p), numbers_.constant(i.number));
    if (i.op == Op::where_number_first)
      return numbers_.choose(a, numbers_.constant(i.number), in(i, 1).at(p));
    return i.inputs.size() == 1 ? numbers_.unary(i.op, a, i.number)
                                : numbers_.binary(i.op, a, in(i, 1).at(p));
  });
}

template <class N>
NodeArray Naive<N>::reduce(const Instruction& i) {
  const NodeArray& x = in(i, 0);
  std::vector<bool> gone(x.shape.size(), i.axes.empty());
  for (const int axis : i.axes) gone[axis_of(axis, x.shape.size())] = true;
  Extents outer = x.shape;
  Extents inner = x.shape;
  for (std::size_t k = 0; k < gone.size(); ++k) (gone[k] ? outer : inner)[k] = 1;
  NodeArray result = gather(outer, [&](const Position& o) {
    Nodes line;
    for_each_position(inner, [&](const Position& p) {
      Position q = o;
      for (std::size_t k = 0; k < q.size(); ++k) q[k] += p[k];
      line.push_back(x.at(q));
    });
    return numbers_.reduced(i.op, line);
  });
  if (i.flag) return result;
  result.shape.clear();
  for (std::size_t k = 0; k < gone.size(); ++k)
    if (!gone[k]) result.shape.push_back(outer[k]);
  return result;
}

template <class N>
NodeArray Naive<N>::along_axis(const Instruction& i) {
  const NodeArray& x = in(i, 0);
  const std::size_t axis = axis_of(i.axis(), x.shape.size());
  return gather(x.shape, [&](const Position& p) {
    Nodes line;
    for (std::size_t k = 0; k < x.shape[axis]; ++k) {
      Position q = p;
      q[axis] = k;
      line.push_back(x.at(q));
    }
    if (i.op == Op::flip) return line[line.size() - 1 - p[axis]];
    if (i.op == Op::cumsum) {
      line.resize(p[axis] + 1);
      return numbers_.total(line);
    }
    const std::size_t log = numbers_.binary(Op::subtract, x.at(p), numbers_.log_sum_exp(line));
    return i.op == Op::log_softmax ? log : numbers_.unary(Op::exp, log, 0);
  });
}

/// The loss of each row is the mean of the negative log probabilities of all classes, weighted by
/// the smoothed target; rows whose target is negative do not count. axes: 0 mean, 1 sum, 2 none.
template <class N>
NodeArray Naive<N>::cross_entropy(const Instruction& i) {
  const NodeArray& x = in(i, 0);
  const std::size_t classes = x.shape.back();
  Nodes losses;
  double counted = 0;
  for (std::size_t row = 0; row < i.integers.size(); ++row) {
    if (i.integers[row] < 0) {
      losses.push_back(numbers_.constant(0));
      continue;
    }
    ++counted;
    const Nodes line(x.nodes.begin() + static_cast<std::ptrdiff_t>(row * classes),
                     x.nodes.begin() + static_cast<std::ptrdiff_t>((row + 1) * classes));
    const std::size_t log_sum = numbers_.log_sum_exp(line);
    Nodes parts;
    for (std::size_t k = 0; k < classes; ++k) {
      const bool target = k == static_cast<std::size_t>(i.integers[row]);
      const double weight = (target ? 1 - i.number : 0) + i.number / static_cast<double>(classes);
      parts.push_back(numbers_.unary(Op::multiply_number,
                                     numbers_.binary(Op::subtract, log_sum, line[k]), weight));
    }
    losses.push_back(numbers_.total(parts));
  }
  if (i.axis() == 2) return {i.shape, losses, false};
  const std::size_t sum = numbers_.total(losses);
  return {{}, {i.axis() == 1 ? sum : numbers_.unary(Op::divide_by, sum, counted)}, false};
}

template <class N>
NodeArray Naive<N>::rearranged(const Instruction& i) {
  const NodeArray& x = in(i, 0);
  const std::size_t rank = x.shape.size();
  Extents shape = x.shape;
  if (i.op == Op::reshape) return {i.shape, x.nodes, false};
  if (i.op == Op::broadcast_to) return gather(i.shape, [&](const Position& p) { return x.at(p); });
  if (i.op == Op::transpose) {
    Position order;
    for (std::size_t k = 0; k < rank; ++k)
      order.push_back(i.axes.empty() ? rank - 1 - k : axis_of(i.axes[k], rank));
    for (std::size_t k = 0; k < rank; ++k) shape[k] = x.shape[order[k]];
    return gather(shape, [&](const Position& p) {
      Position q(rank);
      for (std::size_t k = 0; k < rank; ++k) q[order[k]] = p[k];
      return x.at(q);
    });
  }
  const std::size_t axis = axis_of(i.axis(), i.op == Op::expand_dims ? rank + 1 : rank);
  const auto here = shape.begin() + static_cast<std::ptrdiff_t>(axis);
  if (i.op == Op::expand_dims) return shape.insert(here, 1), NodeArray{shape, x.nodes, false};
  if (i.op == Op::squeeze) return shape.erase(here), NodeArray{shape, x.nodes, false};
  const auto extent = static_cast<std::int64_t>(x.shape[axis]);
  std::int64_t start = i.integers[0];
  if (start < 0) start += extent;
  if (i.op == Op::select) {
    shape.erase(here);
    return gather(shape, [&](Position p) {
      p.insert(p.begin() + static_cast<std::ptrdiff_t>(axis), static_cast<std::size_t>(start));
      return x.at(p);
    });
  }
  std::int64_t stop = i.integers[1];
  if (stop < 0) stop += extent;
  Position kept;  // as Python's range(start, stop, step), clipped
  for (std::int64_t k = std::max<std::int64_t>(start, 0); k < std::min(stop, extent);
       k += i.integers[2])
    kept.push_back(static_cast<std::size_t>(k));
  shape[axis] = kept.size();
  return gather(shape, [&](Position p) {
    p[axis] = kept[p[axis]];
    return x.at(p);
  });
}

template <class N>
NodeArray Naive<N>::joined(const Instruction& i) {
  const bool stack = i.op == Op::stack;
  Extents shape = in(i, 0).shape;
  const std::size_t axis = axis_of(i.axis(), shape.size() + (stack ? 1 : 0));
  if (stack)
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), i.inputs.size());
  else
    for (std::size_t k = 1; k < i.inputs.size(); ++k) shape[axis] += in(i, k).shape[axis];
  return gather(shape, [&](Position p) {
    std::size_t k = 0;
    if (stack) {
      k = p[axis];
      p.erase(p.begin() + static_cast<std::ptrdiff_t>(axis));
    } else {
      while (p[axis] >= in(i, k).shape[axis]) p[axis] -= in(i, k++).shape[axis];
    }
    return in(i, k).at(p);
  });
}

template <class N>
NodeArray Naive<N>::taken(const Instruction& i) {
  const NodeArray& x = in(i, 0);
  const std::size_t axis = axis_of(i.axis(), x.shape.size());
  const auto before = static_cast<std::ptrdiff_t>(axis);
  const auto tokens = static_cast<std::ptrdiff_t>(i.shape.size());
  Extents shape(x.shape.begin(), x.shape.begin() + before);
  shape.insert(shape.end(), i.shape.begin(), i.shape.end());
  shape.insert(shape.end(), x.shape.begin() + before + 1, x.shape.end());
  return gather(shape, [&](const Position& p) {
    std::size_t flat = 0;
    for (std::size_t k = 0; k < i.shape.size(); ++k) flat = flat * i.shape[k] + p[axis + k];
    Position q(p.begin(), p.begin() + before);
    q.push_back(axis_of(static_cast<int>(i.integers[flat]), x.shape[axis]));
    q.insert(q.end(), p.begin() + before + tokens, p.end());
    return x.at(q);
  });
}

template <class N>
NodeArray Naive<N>::matmul(const Instruction& i) {
  NodeArray a = in(i, 0);
  NodeArray b = in(i, 1);
  const bool row = a.shape.size() == 1;
  const bool column = b.shape.size() == 1;
  if (row) a.shape.insert(a.shape.begin(), 1);
  if (column) b.shape.push_back(1);
  const std::size_t ra = a.shape.size();
  const std::size_t rb = b.shape.size();
  const std::size_t inner = a.shape[i.flag ? ra - 2 : ra - 1];
  Extents shape;
  if (inner != b.shape[i.flag_b ? rb - 1 : rb - 2] ||
      !broadcast({a.shape.begin(), a.shape.end() - 2}, {b.shape.begin(), b.shape.end() - 2}, shape))
    throw std::logic_error("operands that cannot be multiplied");
  shape.push_back(a.shape[i.flag ? ra - 1 : ra - 2]);
  shape.push_back(b.shape[i.flag_b ? rb - 2 : rb - 1]);
  const auto element = [](const NodeArray& x, Position p, std::size_t r, std::size_t c) {
    p[p.size() - 2] = r;
    p[p.size() - 1] = c;
    return x.at(Position(p.end() - static_cast<std::ptrdiff_t>(x.shape.size()), p.end()));
  };
  NodeArray y = gather(shape, [&](const Position& p) {
    const std::size_t r = p[p.size() - 2];
    const std::size_t c = p[p.size() - 1];
    Nodes products;
    for (std::size_t k = 0; k < inner; ++k)
      products.push_back(numbers_.binary(Op::multiply,
                                         i.flag ? element(a, p, k, r) : element(a, p, r, k),
                                         i.flag_b ? element(b, p, c, k) : element(b, p, k, c)));
    return numbers_.total(products);
  });
  if (column) y.shape.pop_back();
  if (row) y.shape.erase(y.shape.end() - (column ? 1 : 2));
  return y;
}

template <class N>
void Naive<N>::split(const Instruction& i) {
  const NodeArray x = in(i, 0);
  const std::size_t axis = axis_of(i.axis(), x.shape.size());
  Extents shape = x.shape;
  shape[axis] /= i.results.size();
  for (std::size_t j = 0; j < i.results.size(); ++j) {
    NodeArray part = gather(shape, [&](Position p) {
      p[axis] += j * shape[axis];
      return x.at(p);
    });
    part.differentiable = x.differentiable;
    set(i.results[j], std::move(part));
  }
}

template <class N>
void Naive<N>::run(const Instruction& i) {
  if (i.op == Op::split) return split(i);
  const bool chooses = i.op >= Op::where_number && i.op <= Op::where_number_first;
  const bool compares = (i.op >= Op::greater && i.op <= Op::equal) || i.op == Op::greater_number ||
                        i.op == Op::less_equal_number;
  bool differentiable = false;
  for (std::size_t k = chooses || i.op == Op::where ? 1 : 0; k < i.inputs.size(); ++k)
    differentiable |= in(i, k).differentiable;
  NodeArray result;
  if (i.op <= Op::where)
    result = elementwise(i);
  else if (i.op <= Op::logsumexp)
    result = reduce(i);
  else if (i.op <= Op::log_softmax)
    result = along_axis(i);
  else if (i.op == Op::cross_entropy)
    result = cross_entropy(i);
  else if (i.op <= Op::select)
    result = rearranged(i);
  else if (i.op <= Op::stack)
    result = joined(i);
  else
    result = i.op == Op::take ? taken(i) : matmul(i);
  result.differentiable = differentiable && !compares && i.op != Op::detach && i.op != Op::sign;
  set(i.results[0], std::move(result));
}

}  // namespace differential
