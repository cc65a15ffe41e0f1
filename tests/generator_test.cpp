// SPDX-License-Identifier: MIT
// The source of random numbers: which one it is, and that its state can go on elsewhere.
#define BOOST_TEST_MODULE generator
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <random>
#include <sstream>

#include "errors.hpp"
#include "tapestry/autodiff/random.hpp"

namespace tp = tapestry;
using tp::Generator;
using tp::test::says;

BOOST_AUTO_TEST_CASE(is_the_standard_mersenne_twister) {
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, Generator::default_seed}) {
    std::mt19937_64 standard(seed);
    Generator generator(seed);
    bool same = true;
    for (int i = 0; i < 2000; ++i) same = same && generator.bits() == standard();
    BOOST_TEST(same);
  }
}

BOOST_AUTO_TEST_CASE(state_goes_on_anywhere) {
  Generator original(11);
  for (int i = 0; i < 1000; ++i) {
    Generator by_state(1), by_text(2);
    by_state.set_state(original.state());
    std::stringstream text;
    text << original;
    text >> by_text;
    BOOST_REQUIRE(text);
    const double expected = original.normal();  // every second one is left over from the first
    BOOST_REQUIRE(by_state.normal() == expected);
    BOOST_REQUIRE(by_text.normal() == expected);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_state_is_refused) {
  Generator generator(4);
  const Generator::State good = generator.state();
  Generator::State zeros{}, far = good, spare = good, nan = good;
  zeros[Generator::word_count] = 1;
  far[Generator::word_count] = Generator::word_count + 1;
  spare[Generator::word_count + 1] = 2;
  nan[Generator::word_count + 2] = 0x7FF0'0000'0000'0000u;
  for (const auto& bad : {zeros, far, spare, nan}) {
    BOOST_TEST(!Generator::is_state(bad));
    BOOST_CHECK_EXCEPTION(generator.set_state(bad), tp::ArgumentError,
                          says("[set_state] this is not a state of a generator"));
    std::stringstream text;
    for (const std::uint64_t number : bad) text << number << ' ';
    text >> generator;
    BOOST_TEST(text.fail());
  }
  std::stringstream too_short("1 2 3");
  too_short >> generator;
  BOOST_TEST(too_short.fail());
  BOOST_TEST((generator.state() == good));
}
