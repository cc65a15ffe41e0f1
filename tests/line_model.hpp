// SPDX-License-Identifier: MIT
// A model of one line, and what an exception said.
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>

#include "tapestry/tapestry.hpp"

namespace tapestry::test {

template <class Kind, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Kind& error) {
    return error.what();
  }
  return "nothing was thrown";
}

inline bool contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return true;
  BOOST_TEST_MESSAGE("it said: " << text);
  return false;
}

/// y = w x + b, as a model.
struct Line {
  Parameter<double> w{Array<double>{2.0}, "w"};
  Parameter<double> b{Array<double>{0.5}, "b"};
  void visit(auto&& part) {
    part("w", w);
    part("b", b);
  }
  double loss_and_gradient(double x, double y) {
    Tape<double> tape;
    const auto loss = sum(square(tape.watch(w) * x + tape.watch(b) - y));
    loss.backward();
    return loss.item();
  }
};

}  // namespace tapestry::test
