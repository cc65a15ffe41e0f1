// SPDX-License-Identifier: MIT
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>
#include <utility>

#include "tapestry/autodiff/error.hpp"

namespace tapestry::test {

/// For BOOST_CHECK_EXCEPTION: matches an exception by its whole text, so that a test reads what a
/// user would.
inline auto says(std::string text) {
  return [text = std::move(text)](const Error& error) {
    const bool same = error.what() == text;
    if (!same) BOOST_TEST_MESSAGE("it said: " << error.what());
    return same;
  };
}

}  // namespace tapestry::test
