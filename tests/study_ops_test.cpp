// SPDX-License-Identifier: MIT
// The partial derivatives that the study tools take, for every op of the library, fused and as its
// definition: against backward, from both sides, and against differences.
#define BOOST_TEST_MODULE study_ops
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "op_table/all.hpp"
#include "tapestry/study.hpp"

namespace tapestry::test {
namespace {

BOOST_DATA_TEST_CASE(identities_hold, boost::unit_test::data::make(op_table()), op) {
  for (const Point& point : op.points)
    for (const bool primitive : {false, true}) {
      Tape<double> tape;
      tape.set_primitive(primitive);
      std::vector<Variable<double>> x;
      for (const Values& array : point) x.push_back(tape.variable(array));
      const Variable<double> y = op.f(x);
      if (!y.requires_grad()) continue;
      const Shape shape = y.shape();
      const Variable<double> weights =
          tape.constant(sample(Extents(shape.begin(), shape.end()), -1, 1, 3));
      const Variable<double> loss = sum(y * weights);
      for (const Variable<double>& v : x) {
        const Verification verification = verify(v, loss, {.most_paths = 50});
        for (const Identity& identity : verification.identities()) {
          const bool by_difference = identity.name.starts_with("a small step");
          if (op.name == "scale_gradient" && by_difference) continue;  // it is no derivative
          BOOST_TEST(identity.holds(), op.name << (primitive ? ", primitive" : "") << ": "
                                               << identity.name << " differs by "
                                               << identity.difference << ' ' << identity.note);
        }
      }
    }
}

}  // namespace
}  // namespace tapestry::test
