// SPDX-License-Identifier: MIT
// Cases for ops that move elements: shapes, slices, lookups, and arrays put together.
#pragma once

#include <algorithm>

#include "op_table/points.hpp"

namespace tapestry::test {

inline void add_shapes(Cases& cases) {
  const auto reshaped = [&](const Extents& from, const Shape& to, const Extents& result) {
    cases.push_back(grad_case(
        "reshape", Shape(from).str() + " to " + Shape(result).str(),
        [to](const auto& x) { return reshape(x[0], to); }, {{sample(from, -2, 2)}},
        [result](const Point& x) {
          Values y = empty_array(result);
          std::copy(x[0].data(), x[0].data() + x[0].size(), y.data());
          return y;
        }));
  };
  reshaped({}, {}, {});
  reshaped({}, {1, 1}, {1, 1});
  reshaped({6}, {2, 3}, {2, 3});
  reshaped({2, 3}, {3, rest}, {3, 2});
  reshaped({2, 3}, {rest}, {6});
  reshaped({0, 3}, {rest, 3}, {0, 3});
  reshaped({2, 0}, {0, 5}, {0, 5});
  reshaped({4}, {1, 2, 1, 2, 1, 1, 1, 1}, {1, 2, 1, 2, 1, 1, 1, 1});
  cases.push_back(grad_case(
      "reshape", "by squeeze and expand_dims",
      [](const auto& x) { return expand_dims(squeeze(expand_dims(x[0], 0), 0), -1); },
      unary_points([](const Extents& shape) {
        return sample(shape.size() < 8 ? shape : Extents{2}, -2, 2);
      }),
      [](const Point& x) {
        Extents shape = extents_of(x[0]);
        shape.push_back(1);
        Values y = empty_array(shape);
        std::copy(x[0].data(), x[0].data() + x[0].size(), y.data());
        return y;
      }));
}

inline void add_transposes(Cases& cases) {
  const auto transposed = [&](const Extents& shape, const Axes& order,
                              const std::vector<std::size_t>& plain) {
    cases.push_back(grad_case(
        "transpose", Shape(shape).str(), [order](const auto& x) { return transpose(x[0], order); },
        {{sample(shape, -2, 2)}},
        [plain](const Point& x) {
          Extents result;
          for (const std::size_t axis : plain) result.push_back(x[0].shape()[axis]);
          return filled(result, [&](const Position& p) {
            Position q(p.size());
            for (std::size_t i = 0; i < p.size(); ++i) q[plain[i]] = p[i];
            return at(x[0], q);
          });
        }));
  };
  transposed({}, {}, {});
  transposed({4}, {}, {0});
  transposed({2, 3}, {}, {1, 0});
  transposed({2, 3, 4}, {}, {2, 1, 0});
  transposed({2, 3, 4}, {0, 2, 1}, {0, 2, 1});
  transposed({2, 3, 4}, {-1, 0, 1}, {2, 0, 1});
  transposed({1, 3, 1}, {1, 2, 0}, {1, 2, 0});
  transposed({2, 0, 3}, {1, 0, 2}, {1, 0, 2});
  transposed({1, 2, 1, 3, 1, 2, 1, 1}, {7, 3, 1, 0, 5, 2, 4, 6}, {7, 3, 1, 0, 5, 2, 4, 6});
}

/// What a slice takes: `count` elements from `start` with `step` along `axis`.
struct Cut {
  Extents shape;
  int axis;
  std::int64_t start, stop, step;
  std::size_t plain_axis, plain_start, count;
};

inline const std::vector<Cut>& cuts() {
  constexpr std::int64_t end = std::int64_t{1} << 40;
  static const std::vector<Cut> all{
      {{5}, 0, 1, 4, 1, 0, 1, 3},        {{5}, 0, 0, 5, 2, 0, 0, 3},
      {{5}, 0, -2, end, 1, 0, 3, 2},     {{5}, -1, 3, 1, 1, 0, 3, 0},
      {{5}, 0, -100, 2, 1, 0, 0, 2},     {{3, 4}, 0, 1, 3, 1, 0, 1, 2},
      {{3, 4}, 1, 1, 3, 1, 1, 1, 2},     {{3, 4}, 1, 0, 4, 3, 1, 0, 2},
      {{1, 4}, 1, 2, 4, 1, 1, 2, 2},     {{2, 3, 4}, 1, 1, 2, 1, 1, 1, 1},
      {{2, 3, 4}, -2, 0, 3, 2, 1, 0, 2}, {{0, 3}, 1, 1, 3, 1, 1, 1, 2},
      {{0}, 0, 0, end, 1, 0, 0, 0},      {{7}, 0, 2, 7, 9, 0, 2, 1}};
  return all;
}

inline void add_slices(Cases& cases) {
  for (const Cut& cut : cuts())
    cases.push_back(grad_case(
        "slice", Shape(cut.shape).str(),
        [cut](const auto& x) { return slice(x[0], cut.axis, cut.start, cut.stop, cut.step); },
        {{sample(cut.shape, -2, 2)}},
        [cut](const Point& x) {
          Extents shape = cut.shape;
          shape[cut.plain_axis] = cut.count;
          return filled(shape, [&](Position p) {
            p[cut.plain_axis] =
                cut.plain_start + p[cut.plain_axis] * static_cast<std::size_t>(cut.step);
            return at(x[0], p);
          });
        }));
  const auto selected = [&](const Extents& shape, int axis, std::int64_t index,
                            std::size_t plain_axis, std::size_t plain) {
    cases.push_back(grad_case(
        "slice", "by select", [=](const auto& x) { return select(x[0], axis, index); },
        {{sample(shape, -2, 2)}},
        [=](const Point& x) {
          Extents result = shape;
          result.erase(result.begin() + static_cast<std::ptrdiff_t>(plain_axis));
          return filled(result, [&](Position p) {
            p.insert(p.begin() + static_cast<std::ptrdiff_t>(plain_axis), plain);
            return at(x[0], p);
          });
        }));
  };
  selected({4}, 0, 2, 0, 2);
  selected({3, 4}, 0, -1, 0, 2);
  selected({3, 4}, 1, 0, 1, 0);
  selected({2, 3, 4}, -2, 1, 1, 1);
  selected({2, 0}, 0, 1, 0, 1);
}

/// x[0] put at the place that the cut describes, by the second derivative of <z cut, x>.
inline void add_slice_put(Cases& cases) {
  for (const Cut& cut : cuts()) {
    Extents part = cut.shape;
    part[cut.plain_axis] = cut.count;
    GradCase back = grad_case(
        "slice_put", Shape(cut.shape).str(),
        [cut](const auto& x) {
          using V = std::remove_cvref_t<decltype(x[0])>;
          auto& state = x[0].state("test");
          const Shape shape(cut.shape);
          const V z(state, state.add_leaf(shape, Role::input, true, {}));
          std::fill_n(state.entries[z.index()].data, shape.size(), 0);
          const V total = sum(x[0] * slice(z, cut.axis, cut.start, cut.stop, cut.step));
          const auto [gradient] = gradients(total, {z}, {.differentiable = true});
          return gradient;
        },
        {{sample(part, -2, 2)}},
        [cut, part](const Point& x) {
          Values result = filled(cut.shape, [](const Position&) { return 0.0; });
          for_each_position(part, [&](const Position& p) {
            std::size_t flat = 0;
            for (std::size_t i = 0; i < p.size(); ++i)
              flat =
                  flat * cut.shape[i] +
                  (i == cut.plain_axis ? cut.plain_start + p[i] * static_cast<std::size_t>(cut.step)
                                       : p[i]);
            result.data()[flat] = at(x[0], p);
          });
          return result;
        });
    back.needs_recording = true;
    cases.push_back(std::move(back));
  }
}

inline void add_joins(Cases& cases) {
  const auto joined = [&](int axis, std::size_t plain_axis, const std::vector<Extents>& shapes) {
    Point point;
    for (std::size_t i = 0; i < shapes.size(); ++i) point.push_back(sample(shapes[i], -2, 2, i));
    cases.push_back(grad_case(
        "concatenate", "axis " + std::to_string(axis),
        [axis](const auto& x) { return concatenate(x, axis); }, {point},
        [plain_axis](const Point& x) {
          Extents shape = extents_of(x[0]);
          shape[plain_axis] = 0;
          for (const Values& part : x) shape[plain_axis] += part.shape()[plain_axis];
          return filled(shape, [&](Position p) {
            std::size_t k = 0;
            for (; p[plain_axis] >= x[k].shape()[plain_axis]; ++k)
              p[plain_axis] -= x[k].shape()[plain_axis];
            return at(x[k], p);
          });
        }));
  };
  joined(0, 0, {{3}, {2}, {1}});
  joined(-1, 0, {{3}});
  joined(0, 0, {{2, 3}, {1, 3}});
  joined(1, 1, {{2, 3}, {2, 1}, {2, 2}});
  joined(1, 1, {{2, 0}, {2, 3}, {2, 0}});
  joined(-2, 1, {{2, 1, 3}, {2, 2, 3}});
  joined(0, 0, {{0, 2}, {0, 2}});
  joined(1, 1, {{0, 2}, {0, 2}});
  const auto stacked = [&](int axis, std::size_t plain_axis, const Extents& shape, std::size_t n) {
    Point point;
    for (std::size_t i = 0; i < n; ++i) point.push_back(sample(shape, -2, 2, i));
    cases.push_back(grad_case(
        "stack", "axis " + std::to_string(axis), [axis](const auto& x) { return stack(x, axis); },
        {point},
        [plain_axis](const Point& x) {
          Extents result = extents_of(x[0]);
          const auto place = static_cast<std::ptrdiff_t>(plain_axis);
          result.insert(result.begin() + place, x.size());
          return filled(result, [&](Position p) {
            const std::size_t k = p[plain_axis];
            p.erase(p.begin() + place);
            return at(x[k], p);
          });
        }));
  };
  stacked(0, 0, {}, 3);
  stacked(0, 0, {4}, 2);
  stacked(1, 1, {2, 3}, 3);
  stacked(-1, 2, {2, 3}, 2);
  stacked(0, 0, {2, 0}, 2);
  stacked(0, 0, {1, 2, 1, 1, 2, 1, 1}, 2);
}

inline void add_splits(Cases& cases) {
  const auto part = [&](const Extents& shape, std::size_t sections, int axis,
                        std::size_t plain_axis, std::size_t which) {
    const std::size_t count = shape[plain_axis] / sections;
    cases.push_back(grad_case(
        "split", "one part of " + Shape(shape).str(),
        [=](const auto& x) { return split(x[0], sections, axis)[which]; }, {{sample(shape, -2, 2)}},
        [=](const Point& x) {
          Extents result = shape;
          result[plain_axis] = count;
          return filled(result, [&](Position p) {
            p[plain_axis] += which * count;
            return at(x[0], p);
          });
        }));
  };
  part({6}, 3, 0, 0, 1);
  part({6}, 1, 0, 0, 0);
  part({2, 6}, 2, 1, 1, 1);
  part({4, 3}, 2, -2, 0, 0);
  part({2, 4, 3}, 4, 1, 1, 3);
  part({0, 4}, 2, 1, 1, 1);
  part({0}, 3, 0, 0, 2);
  cases.push_back(grad_case("split", "parts used together",
                            [](const auto& x) {
                              const auto parts = split(x[0], 4, 1);
                              return parts[0] * tanh(parts[2]) + parts[2];
                            },
                            {{sample({2, 8}, -2, 2)}}));
}

inline void add_lookups(Cases& cases) {
  struct Lookup {
    Extents shape;
    Indices indices;
    int axis;
    std::size_t plain_axis;
  };
  const Indices none = xt::zeros<std::int64_t>({0});
  Indices one(Indices::shape_type{});
  one() = 2;
  const std::vector<Lookup> all{{{4}, {2, 0, 2, -1}, 0, 0}, {{4}, one, 0, 0},
                                {{4}, none, 0, 0},          {{3, 2}, {{1, 1}, {0, -3}}, 0, 0},
                                {{3, 2}, {1, 1, 0}, 1, 1},  {{2, 3, 2}, {2, 0}, -2, 1},
                                {{0, 3}, {1, 2, 1}, 1, 1},  {{3, 0}, {1, 2, 1}, 0, 0}};
  for (const Lookup& lookup : all) {
    // Position in the whole of each position in the result.
    const auto source = [lookup](const Position& p) {
      const auto axis = static_cast<std::ptrdiff_t>(lookup.plain_axis);
      const auto rank = static_cast<std::ptrdiff_t>(lookup.indices.dimension());
      std::size_t flat = 0;
      for (std::ptrdiff_t i = 0; i < rank; ++i)
        flat = flat * lookup.indices.shape()[static_cast<std::size_t>(i)] +
               p[static_cast<std::size_t>(axis + i)];
      std::int64_t index = lookup.indices.data()[flat];
      if (index < 0) index += static_cast<std::int64_t>(lookup.shape[lookup.plain_axis]);
      Position q(p.begin(), p.begin() + axis);
      q.push_back(static_cast<std::size_t>(index));
      q.insert(q.end(), p.begin() + axis + rank, p.end());
      return q;
    };
    const auto axis = static_cast<std::ptrdiff_t>(lookup.plain_axis);
    Extents part(lookup.shape.begin(), lookup.shape.begin() + axis);
    part.insert(part.end(), lookup.indices.shape().begin(), lookup.indices.shape().end());
    part.insert(part.end(), lookup.shape.begin() + axis + 1, lookup.shape.end());
    cases.push_back(grad_case(
        "take", Shape(lookup.shape).str(),
        [lookup](const auto& x) { return take(x[0], lookup.indices, lookup.axis); },
        {{sample(lookup.shape, -2, 2)}},
        [source, part](const Point& x) {
          return filled(part, [&](const Position& p) { return at(x[0], source(p)); });
        }));
    GradCase back = grad_case(
        "take_put", Shape(lookup.shape).str(),
        [lookup](const auto& x) {
          using V = std::remove_cvref_t<decltype(x[0])>;
          auto& state = x[0].state("test");
          const Shape shape(lookup.shape);
          const V z(state, state.add_leaf(shape, Role::input, true, {}));
          std::fill_n(state.entries[z.index()].data, shape.size(), 0);
          const V total = sum(x[0] * take(z, lookup.indices, lookup.axis));
          const auto [gradient] = gradients(total, {z}, {.differentiable = true});
          return gradient;
        },
        {{sample(part, -2, 2)}},
        [lookup, source, part](const Point& x) {
          Values result = filled(lookup.shape, [](const Position&) { return 0.0; });
          for_each_position(part, [&](const Position& p) {
            const Position q = source(p);
            std::size_t flat = 0;
            for (std::size_t i = 0; i < q.size(); ++i) flat = flat * lookup.shape[i] + q[i];
            result.data()[flat] += at(x[0], p);
          });
          return result;
        });
    back.needs_recording = true;
    cases.push_back(std::move(back));
  }
}

inline Cases structure_cases() {
  Cases cases;
  add_shapes(cases);
  add_transposes(cases);
  add_slices(cases);
  add_slice_put(cases);
  add_joins(cases);
  add_splits(cases);
  add_lookups(cases);
  return cases;
}

}  // namespace tapestry::test
