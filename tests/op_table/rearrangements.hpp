// SPDX-License-Identifier: MIT
// Cases for ops that turn, surround and leave out elements, and for sums up to each.
#pragma once

#include <cstdint>
#include <limits>

#include "op_table/points.hpp"

namespace tapestry::test {

inline void add_flips(Cases& cases) {
  const auto flipped = [&](const Extents& shape, const Axes& axes,
                           const std::vector<std::size_t>& plain) {
    cases.push_back(grad_case(
        "flip", Shape(shape).str(), [axes](const auto& x) { return flip(x[0], axes); },
        {{sample(shape, -2, 2)}},
        [plain](const Point& x) {
          const Extents extents = extents_of(x[0]);
          return filled(extents, [&](Position p) {
            for (const std::size_t axis : plain) p[axis] = extents[axis] - 1 - p[axis];
            return at(x[0], p);
          });
        }));
  };
  flipped({}, {}, {});
  flipped({1}, {}, {0});
  flipped({5}, {}, {0});
  flipped({3, 4}, {}, {0, 1});
  flipped({3, 4}, 0, {0});
  flipped({3, 4}, -1, {1});
  flipped({2, 3, 4}, {0, 2}, {0, 2});
  flipped({2, 3, 4}, 1, {1});
  flipped({3, 1}, 0, {0});
  flipped({0, 3}, 1, {1});
  flipped({3, 0}, 0, {0});
  flipped({1, 2, 1, 3, 1, 2, 1, 2}, {-1, 3, 5}, {7, 3, 5});
}

inline void add_pads(Cases& cases) {
  const auto padded = [&](const Extents& shape, const std::vector<PadWidth>& widths, double value) {
    cases.push_back(grad_case(
        "pad", Shape(shape).str(),
        [=](const auto& x) {
          using T = typename std::remove_cvref_t<decltype(x[0])>::value_type;
          return pad(x[0], widths, static_cast<T>(value));
        },
        {{sample(shape, -2, 2)}},
        [=](const Point& x) {
          const auto width = [&](std::size_t i) { return widths[widths.size() == 1 ? 0 : i]; };
          Extents result = shape;
          for (std::size_t i = 0; i < result.size(); ++i)
            result[i] += static_cast<std::size_t>(width(i).before + width(i).after);
          return filled(result, [&](Position p) {
            for (std::size_t i = 0; i < p.size(); ++i) {
              const auto before = static_cast<std::size_t>(width(i).before);
              if (p[i] < before || p[i] >= before + shape[i]) return value;
              p[i] -= before;
            }
            return at(x[0], p);
          });
        }));
  };
  padded({}, {}, 0);
  padded({}, {{1, 2}}, 0);
  padded({3}, {{2, 1}}, 0);
  padded({3}, {{0, 0}}, 1);
  padded({2, 3}, {{1, 0}, {0, 2}}, -1.5);
  padded({2, 3}, {{1, 2}}, 0.5);
  padded({2, 1, 3}, {{0, 0}, {2, 1}, {0, 0}}, 0);
  padded({0, 3}, {{1, 1}, {0, 1}}, 2);
  padded({2, 0}, {{0, 0}, {0, 0}}, 2);
  padded({1, 2, 1, 2, 1, 2, 1, 1}, {{0, 0}, {1, 0}, {0, 1}, {0, 0}, {0, 0}, {0, 0}, {1, 1}, {0, 0}},
         3);
}

inline void add_triangles(Cases& cases) {
  const std::vector<Extents> shapes{{1, 1}, {3, 3}, {2, 4},    {4, 2},
                                    {0, 3}, {3, 0}, {2, 3, 3}, {1, 2, 1, 1, 1, 1, 2, 3}};
  constexpr std::int64_t far = std::numeric_limits<std::int64_t>::max();
  for (const Extents& shape : shapes)
    for (const std::int64_t diagonal :
         {std::int64_t{0}, std::int64_t{1}, std::int64_t{-2}, std::int64_t{3}, far, -far})
      for (const bool lower : {true, false})
        cases.push_back(grad_case(
            lower ? "tril" : "triu", Shape(shape).str() + " diagonal " + std::to_string(diagonal),
            [=](const auto& x) { return lower ? tril(x[0], diagonal) : triu(x[0], diagonal); },
            {{sample(shape, -2, 2)}},
            [=](const Point& x) {
              return filled(shape, [&](const Position& p) {
                const auto beyond = static_cast<std::int64_t>(p[p.size() - 1]) -
                                    static_cast<std::int64_t>(p[p.size() - 2]);
                return (lower ? beyond <= diagonal : beyond >= diagonal) ? at(x[0], p) : 0.0;
              });
            }));
}

inline void add_running_sums(Cases& cases) {
  const auto summed = [&](const Extents& shape, int axis, std::size_t plain) {
    cases.push_back(grad_case(
        "cumsum", Shape(shape).str(), [axis](const auto& x) { return cumsum(x[0], axis); },
        {{sample(shape, -2, 2)}},
        [plain](const Point& x) {
          return filled(extents_of(x[0]), [&](Position p) {
            double total = 0;
            const std::size_t last = p[plain];
            for (p[plain] = 0; p[plain] <= last; ++p[plain]) total += at(x[0], p);
            return total;
          });
        }));
  };
  summed({1}, 0, 0);
  summed({40}, 0, 0);
  summed({0}, 0, 0);
  summed({3, 4}, 0, 0);
  summed({3, 4}, -1, 1);
  summed({2, 3, 4}, 1, 1);
  summed({2, 0, 3}, 0, 0);
  summed({2, 0, 3}, 1, 1);
  summed({1, 2, 1, 3, 1, 2, 1, 2}, 3, 3);
  cases.push_back(grad_case(
      "cumsum", "of all", [](const auto& x) { return cumsum(x[0]); },
      unary_points([](const Extents& shape) { return sample(shape, -2, 2); }),
      [](const Point& x) {
        Values y = empty_array({x[0].size()});
        double total = 0;
        for (std::size_t i = 0; i < x[0].size(); ++i) y.data()[i] = total += x[0].data()[i];
        return y;
      }));
}

inline Cases rearrangement_cases() {
  Cases cases;
  add_flips(cases);
  add_pads(cases);
  add_triangles(cases);
  add_running_sums(cases);
  return cases;
}

}  // namespace tapestry::test
