// SPDX-License-Identifier: MIT
// Anomaly mode names the first value or gradient that is not finite, and where it arose.
#define BOOST_TEST_MODULE anomaly
#include <boost/test/unit_test.hpp>
#include <string>

#include "tapestry/autodiff.hpp"

namespace {

using tapestry::Tape;

template <class Action>
std::string message_of(const Action& action) {
  try {
    action();
  } catch (const tapestry::Error& error) {
    return error.what();
  }
  return {};
}

bool mentions(const std::string& message, const std::string& text) {
  return message.find(text) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_value_that_is_not_finite) {
  Tape<double> tape;
  tape.detect_anomaly();
  const auto x = tape.variable({1.0, -1.0}, "x");
  const auto scope = tape.scope("lstm");
  const std::string message = message_of([&] { static_cast<void>(log(x)); });
  BOOST_TEST_CONTEXT(message) {
    BOOST_TEST(mentions(message, "log"));
    BOOST_TEST(mentions(message, "x"));
    BOOST_TEST(mentions(message, "(in lstm)"));
  }
  tape.detect_anomaly(false);
  BOOST_TEST(message_of([&] { static_cast<void>(log(x)); }).empty());
}

BOOST_AUTO_TEST_CASE(a_gradient_that_is_not_finite) {
  const auto run = [](bool detect) {
    Tape<double> tape;
    tape.detect_anomaly(detect);
    const auto x = tape.variable({0.0, 1.0}, "x");
    return message_of([&] { sum(sqrt(x)).backward(); });
  };
  BOOST_TEST(run(false).empty());
  BOOST_TEST(mentions(run(true), "[sqrt] the gradient by input 0, 'x'"));
}
