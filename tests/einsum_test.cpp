// SPDX-License-Identifier: MIT
// Products of arrays by name: einsum, dot and outer, compared with loops over all positions.
#define BOOST_TEST_MODULE einsum
#include <boost/test/unit_test.hpp>
#include <map>
#include <string>

#include "expect_grad.hpp"

namespace tapestry::test {
namespace {

/// The sum over all labels, one product at a time. Axes of extent 1 broadcast.
Values plain_einsum(const std::vector<std::string>& inputs, const std::string& output,
                    const Point& x) {
  std::map<char, std::size_t> extents;
  for (std::size_t k = 0; k < inputs.size(); ++k)
    for (std::size_t i = 0; i < inputs[k].size(); ++i)
      if (!extents.contains(inputs[k][i]) || extents[inputs[k][i]] == 1)
        extents[inputs[k][i]] = x[k].shape()[i];
  std::string labels;
  Extents full;
  for (const auto& [label, n] : extents) {
    labels += label;
    full.push_back(n);
  }
  Extents shape;
  for (const char label : output) shape.push_back(extents[label]);
  Values result = filled(shape, [](const Position&) { return 0.0; });
  for_each_position(full, [&](const Position& p) {
    double product = 1;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      Position q;
      for (const char label : inputs[k]) q.push_back(p[labels.find(label)]);
      product *= at(x[k], q);
    }
    std::size_t flat = 0;
    for (std::size_t i = 0; i < output.size(); ++i)
      flat = flat * shape[i] + p[labels.find(output[i])];
    result.data()[flat] += product;
  });
  return result;
}

/// Compares einsum(subscripts, ...) with the sum over the given labels.
void expect_einsum(const std::string& subscripts, const std::vector<std::string>& inputs,
                   const std::string& output, const std::vector<Extents>& shapes) {
  Point point;
  for (std::size_t i = 0; i < shapes.size(); ++i) point.push_back(sample(shapes[i], -2, 2, i));
  const auto f = [=](const auto& x) { return einsum(subscripts, std::vector(x.begin(), x.end())); };
  expect_grad("einsum " + subscripts, f, {point},
              [=](const Point& x) { return plain_einsum(inputs, output, x); });
}

/// The same where the subscripts say all there is.
void expect_einsum(const std::string& subscripts, const std::vector<Extents>& shapes) {
  std::vector<std::string> inputs(1);
  const std::size_t arrow = subscripts.find("->");
  for (const char c : subscripts.substr(0, arrow)) {
    if (c == ',')
      inputs.emplace_back();
    else
      inputs.back() += c;
  }
  expect_einsum(subscripts, inputs, subscripts.substr(arrow + 2), shapes);
}

BOOST_AUTO_TEST_CASE(products_of_matrices) {
  expect_einsum("ij,jk->ik", {{2, 3}, {3, 4}});
  expect_einsum("ij,jk->ki", {{2, 3}, {3, 4}});
  expect_einsum("ji,jk->ik", {{3, 2}, {3, 4}});
  expect_einsum("ij,kj->ik", {{2, 3}, {4, 3}});
  expect_einsum("ji,kj->ik", {{3, 2}, {4, 3}});
  expect_einsum("bij,bjk->bik", {{5, 2, 3}, {5, 3, 4}});
  expect_einsum("tbh,gh->tbg", {{3, 2, 4}, {5, 4}});
  expect_einsum("bth,bsh->bts", {{2, 3, 4}, {2, 5, 4}});
  expect_einsum("bts,bsh->bth", {{2, 3, 5}, {2, 5, 4}});
  expect_einsum("tbh,sbh->bts", {{3, 2, 4}, {5, 2, 4}});
  expect_einsum("bqhd,bkhd->bhqk", {{2, 3, 2, 4}, {2, 5, 2, 4}});
  expect_einsum("ijk,kji->", {{2, 3, 4}, {4, 3, 2}});
  expect_einsum("abc,cb->a", {{2, 3, 4}, {4, 3}});
}

BOOST_AUTO_TEST_CASE(vectors_elements_and_sums) {
  expect_einsum("i,i->", {{4}, {4}});
  expect_einsum("ij,j->i", {{2, 3}, {3}});
  expect_einsum("i,ij->j", {{2}, {2, 3}});
  expect_einsum("i,j->ij", {{2}, {3}});
  expect_einsum("i,j->ji", {{2}, {3}});
  expect_einsum("ij,ij->ij", {{2, 3}, {2, 3}});
  expect_einsum("ij,j->ij", {{2, 3}, {3}});
  expect_einsum("j,ij->ij", {{3}, {2, 3}});
  expect_einsum("ij,ji->ij", {{2, 3}, {3, 2}});
  expect_einsum(",ij->ij", {{}, {2, 3}});
  expect_einsum(",->", {{}, {}});
  expect_einsum("ij,k->k", {{2, 3}, {4}});
  expect_einsum("ij->ji", {{2, 3}});
  expect_einsum("ij->ij", {{2, 3}});
  expect_einsum("ij->j", {{2, 3}});
  expect_einsum("ij->", {{2, 3}});
  expect_einsum("->", {{}});
}

BOOST_AUTO_TEST_CASE(diagonals) {
  expect_einsum("ii->", {{3, 3}});
  expect_einsum("ii->i", {{3, 3}});
  expect_einsum("bii->b", {{2, 3, 3}});
  expect_einsum("ibi->bi", {{3, 2, 3}});
  expect_einsum("iii->i", {{3, 3, 3}});
  expect_einsum("ijij->ji", {{2, 3, 2, 3}});
  expect_einsum("ii,ij->j", {{3, 3}, {3, 2}});
  expect_einsum("ii->i", {{0, 0}});
}

BOOST_AUTO_TEST_CASE(several_operands) {
  expect_einsum("ij,jk,kl->il", {{2, 3}, {3, 4}, {4, 2}});
  expect_einsum("i,j,k->ijk", {{2}, {3}, {4}});
  expect_einsum("bi,ijk,bk->bj", {{2, 3}, {3, 2, 4}, {2, 4}});
  expect_einsum("i,i,i->", {{3}, {3}, {3}});
}

BOOST_AUTO_TEST_CASE(implicit_results_and_dots) {
  expect_einsum("ij,jk", {"ij", "jk"}, "ik", {{2, 3}, {3, 4}});
  expect_einsum("kj,ji", {"kj", "ji"}, "ik", {{2, 3}, {3, 4}});
  expect_einsum("ii", {"ii"}, "", {{3, 3}});
  expect_einsum("ba", {"ba"}, "ab", {{2, 3}});
  expect_einsum("aB", {"aB"}, "Ba", {{2, 3}});
  expect_einsum(" i j , j k -> i k ", {"ij", "jk"}, "ik", {{2, 3}, {3, 4}});
  expect_einsum("...ij,...jk->...ik", {"xyij", "yjk"}, "xyik", {{2, 3, 2, 3}, {3, 3, 2}});
  expect_einsum("...i,i", {"xi", "i"}, "x", {{2, 3}, {3}});
  expect_einsum("i...->...i", {"ixy"}, "xyi", {{2, 3, 4}});
  expect_einsum("...,...", {"xy", "y"}, "xy", {{2, 3}, {3}});
  expect_einsum("ij,...->...ij", {"ij", ""}, "ij", {{2, 3}, {}});
  expect_einsum("...i,...i->...", {"xyi", "xyi"}, "xy", {{2, 1, 3}, {1, 4, 3}});
}

BOOST_AUTO_TEST_CASE(extents_of_one_and_none) {
  expect_einsum("ij,jk->ik", {{1, 3}, {3, 1}});
  expect_einsum("ij,jk->ik", {{2, 1}, {1, 4}});
  expect_einsum("ij,jk->ik", {{2, 1}, {3, 4}});  // as in NumPy, 1 broadcasts
  expect_einsum("ij,jk->ik", {{2, 0}, {0, 4}});
  expect_einsum("ij,jk->ik", {{0, 3}, {3, 4}});
  expect_einsum("bij,bjk->bik", {{0, 2, 3}, {0, 3, 4}});
  expect_einsum("bij,bjk->bik", {{1, 2, 3}, {5, 3, 4}});
  expect_einsum("abcdefgh->hgfedcba", {{1, 2, 1, 2, 1, 2, 1, 2}});
}

BOOST_AUTO_TEST_CASE(contractions_are_products_of_matrices) {
  Tape<double> tape;
  const auto a = tape.variable(sample({5, 2, 3}, -2, 2));
  const auto b = tape.variable(sample({5, 3, 4}, -2, 2));
  const std::size_t before = tape.size();
  const auto y = einsum("bij,bjk->bik", a, b);
  BOOST_TEST(tape.size() == before + 1);  // nothing is moved that lies right
  expect_close(as_values(y.value()), as_values(matmul(a, b).value()), 0, "product");
  BOOST_TEST(einsum("bij->bij", a).index() == a.index());
}

BOOST_AUTO_TEST_CASE(dot_and_outer) {
  const auto dotted = [](const Extents& a, const Extents& b, const std::vector<std::string>& inputs,
                         const std::string& output) {
    expect_grad(
        "dot", [](const auto& x) { return dot(x[0], x[1]); },
        {{sample(a, -2, 2, 1), sample(b, -2, 2, 2)}},
        [=](const Point& x) { return plain_einsum(inputs, output, x); });
  };
  dotted({3}, {3}, {"i", "i"}, "");
  dotted({}, {2, 3}, {"", "ij"}, "ij");
  dotted({2, 3}, {}, {"ij", ""}, "ij");
  dotted({2, 3}, {3, 4}, {"ij", "jk"}, "ik");
  dotted({2, 3}, {3}, {"ij", "j"}, "i");
  dotted({5, 2, 3}, {3}, {"aij", "j"}, "ai");
  dotted({3}, {5, 3, 4}, {"j", "bjk"}, "bk");
  dotted({2, 3}, {5, 3, 4}, {"ij", "bjk"}, "ibk");
  dotted({5, 2, 3}, {5, 3, 4}, {"aij", "bjk"}, "aibk");
  dotted({0, 3}, {2, 3, 4}, {"ij", "bjk"}, "ibk");
  dotted({2, 0}, {3, 0, 4}, {"ij", "bjk"}, "ibk");
  const auto crossed = [](const Extents& a, const Extents& b) {
    expect_grad(
        "outer", [](const auto& x) { return outer(x[0], x[1]); },
        {{sample(a, -2, 2, 1), sample(b, -2, 2, 2)}},
        [](const Point& x) {
          return filled({x[0].size(), x[1].size()},
                        [&](const Position& p) { return x[0].data()[p[0]] * x[1].data()[p[1]]; });
        });
  };
  crossed({2}, {3});
  crossed({2, 2}, {3});
  crossed({}, {});
  crossed({0}, {3});
}

}  // namespace
}  // namespace tapestry::test
