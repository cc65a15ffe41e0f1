// SPDX-License-Identifier: MIT
// Greedy and beam search, on tables of probabilities made by hand and at random.
#define BOOST_TEST_MODULE decode
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/layers/decode.hpp"

using namespace tapestry::test;
using tapestry::ArgumentError;
using tapestry::beam_search;
using tapestry::greedy_search;
using tapestry::Hypothesis;

namespace {

using Tokens = std::vector<std::int64_t>;

/// Probabilities of the next token, by the last: a Markov chain. The state counts the steps, so
/// that a state that went to the wrong hypothesis would show.
struct Markov {
  std::vector<std::vector<double>> table;

  auto operator()(std::int64_t token, const Tokens& before) const {
    Tokens after = before;
    after.push_back(token);
    std::vector<double> log_probs;
    for (const double p : table[static_cast<std::size_t>(token)]) log_probs.push_back(std::log(p));
    return std::pair(log_probs, after);
  }
};

// Tokens: 0 start, 1 A, 2 B, 3 end. Greedy takes A, of 0.6, after which all is uncertain:
// A A ... 0.35, A end 0.33; B, of 0.4, ends with 0.9: P(B end) = 0.36 > P(A end) = 0.198.
const Markov tempting{{{0, 0.6, 0.4, 0}, {0, 0.35, 0.32, 0.33}, {0, 0.05, 0.05, 0.9}, {}}};

/// Any probabilities of `tokens` tokens after each.
Markov random_chain(std::size_t tokens, std::uint64_t seed) {
  tapestry::Generator generator(seed);
  Markov chain{std::vector<std::vector<double>>(tokens, std::vector<double>(tokens))};
  for (auto& row : chain.table) {
    double total = 0;
    for (double& p : row) total += p = std::pow(generator.uniform(0.05, 1), 3);
    for (double& p : row) p /= total;
  }
  return chain;
}

/// All sequences of at most `length` tokens, ended by `end` or by the length, best first.
std::vector<Hypothesis> all_sequences(const Markov& chain, std::int64_t start, std::int64_t end,
                                      std::size_t length, double alpha) {
  std::vector<Hypothesis> all;
  const std::function<void(Tokens, double)> grow = [&](const Tokens& tokens, double log_p) {
    const auto& row = chain.table[static_cast<std::size_t>(tokens.empty() ? start : tokens.back())];
    for (std::size_t next = 0; next < row.size(); ++next) {
      const double total = log_p + std::log(row[next]);
      const std::size_t count = tokens.size() + 1;
      Tokens longer = tokens;
      const bool ended = static_cast<std::int64_t>(next) == end;
      if (!ended) longer.push_back(static_cast<std::int64_t>(next));
      if (ended || count == length)
        all.push_back({longer, total, total / std::pow(static_cast<double>(count), alpha), ended});
      else
        grow(longer, total);
    }
  };
  grow({}, 0);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return all;
}

void expect_same(const Hypothesis& a, const Hypothesis& b) {
  BOOST_TEST(a.tokens == b.tokens, boost::test_tools::per_element());
  BOOST_TEST(std::abs(a.log_probability - b.log_probability) < 1e-12);
  BOOST_TEST(std::abs(a.score - b.score) < 1e-12);
  BOOST_TEST(a.ended == b.ended);
}

}  // namespace

BOOST_AUTO_TEST_CASE(greedy_is_tempted) {
  const auto greedy = greedy_search(0, Tokens{}, tempting, {.end = 3, .max_length = 2});
  BOOST_TEST(greedy.tokens == (Tokens{1, 1}), boost::test_tools::per_element());
  BOOST_TEST(std::abs(std::exp(greedy.log_probability) - 0.6 * 0.35) < 1e-12);
  BOOST_TEST(!greedy.ended);
}

BOOST_AUTO_TEST_CASE(beam_is_not) {
  const auto best = beam_search(0, Tokens{}, tempting, {.width = 2, .end = 3, .max_length = 9});
  BOOST_TEST(best.size() == 1u);
  BOOST_TEST(best[0].tokens == Tokens{2}, boost::test_tools::per_element());
  BOOST_TEST(std::abs(std::exp(best[0].log_probability) - 0.36) < 1e-12);
  BOOST_TEST(best[0].ended);
}

BOOST_AUTO_TEST_CASE(width_one_is_greedy) {
  std::size_t ended = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Markov chain = random_chain(5, seed);
    for (const std::size_t length : {1, 3, 8}) {
      const auto greedy = greedy_search(0, Tokens{}, chain, {.end = 4, .max_length = length});
      const auto best =
          beam_search(0, Tokens{}, chain, {.width = 1, .end = 4, .max_length = length});
      BOOST_REQUIRE(best.size() == 1u);
      expect_same(best[0], greedy);
      if (greedy.ended) ++ended;
    }
  }
  BOOST_TEST(ended > 20u);  // both kinds of ending occur
  BOOST_TEST(ended < 130u);
}

BOOST_AUTO_TEST_CASE(wide_is_exhaustive) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Markov chain = random_chain(4, seed);
    for (const double alpha : {0.0, 0.6, 1.0, 2.0}) {
      const auto all = all_sequences(chain, 0, 3, 4, alpha);
      const auto best =
          beam_search(0, Tokens{}, chain,
                      {.width = 300, .end = 3, .max_length = 4, .alpha = alpha, .best = 10});
      BOOST_REQUIRE(best.size() == 10u);
      for (std::size_t i = 0; i < best.size(); ++i) {  // paths of the same transitions are equal
        BOOST_TEST(std::abs(best[i].score - all[i].score) < 1e-12);
        expect_same(best[i], *std::find_if(all.begin(), all.end(), [&](const Hypothesis& other) {
                      return other.tokens == best[i].tokens && other.ended == best[i].ended;
                    }));
        for (std::size_t j = 0; j < i; ++j)
          BOOST_TEST((best[i].tokens != best[j].tokens || best[i].ended != best[j].ended));
      }
    }
  }
}

// A wider beam finds what is more probable: more often than not, and never the reverse here.
BOOST_AUTO_TEST_CASE(width_matters) {
  std::size_t better = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Markov chain = random_chain(6, seed);
    const auto best = [&](std::size_t width) {
      return beam_search(0, Tokens{}, chain, {.width = width, .end = 5, .max_length = 6})[0].score;
    };
    if (best(200) > best(1) + 1e-9) ++better;
    BOOST_TEST(best(7776) >= best(2) - 1e-12);
  }
  BOOST_TEST(better > 20u);
}

BOOST_AUTO_TEST_CASE(alpha_favours_length) {
  // end at once: 0.4; or A five times (0.6, then 0.9 each) and end (0.9).
  const Markov chain{{{0, 0.6, 0.4}, {0, 0.9, 0.1}, {}}};
  const auto best = [&](double alpha) {
    return beam_search(0, Tokens{}, chain,
                       {.width = 20, .end = 2, .max_length = 5, .alpha = alpha, .best = 1})[0];
  };
  BOOST_TEST(best(0).tokens.empty());
  BOOST_TEST(best(1).tokens.size() == 5u);
  BOOST_TEST(std::abs(best(1).score - (std::log(0.6) + 4 * std::log(0.9)) / 5) < 1e-12);
}

BOOST_AUTO_TEST_CASE(without_end_token) {
  const auto best = beam_search(0, Tokens{}, tempting, {.width = 50, .max_length = 2, .best = 2});
  BOOST_TEST(best[0].tokens == (Tokens{2, 3}), boost::test_tools::per_element());
  BOOST_TEST(!best[0].ended);
  BOOST_TEST(best[1].tokens == (Tokens{1, 1}), boost::test_tools::per_element());
}

// Each hypothesis continues with its own state: here the state is the path that led to it.
BOOST_AUTO_TEST_CASE(states_follow_their_hypotheses) {
  const Markov chain = random_chain(5, 3);
  const auto step = [&](std::int64_t token, const Tokens& before) {
    auto [log_probs, after] = chain(token, before);
    double total = 0;  // the probability of the path, recomputed from the state alone
    for (std::size_t i = 1; i < after.size(); ++i)
      total += std::log(
          chain.table[static_cast<std::size_t>(after[i - 1])][static_cast<std::size_t>(after[i])]);
    BOOST_TEST(after.back() == token);
    log_probs[0] = std::min(0.0, log_probs[0] + 0.01 * total);  // depends on the whole path
    return std::pair(log_probs, after);
  };
  for (const auto& found :
       beam_search(0, Tokens{}, step, {.width = 8, .max_length = 5, .best = 8})) {
    double total = 0;
    Tokens state;
    std::int64_t last = 0;
    for (const std::int64_t token : found.tokens) {
      const auto [log_probs, after] = step(last, state);
      total += log_probs[static_cast<std::size_t>(token)];
      state = after;
      last = token;
    }
    BOOST_TEST(std::abs(total - found.log_probability) < 1e-12);
  }
}

// It stops when nothing better can come, and not before.
BOOST_AUTO_TEST_CASE(stops_early) {
  std::size_t steps = 0;
  const auto step = [&](std::int64_t token, const Tokens& before) {
    ++steps;
    return tempting(token, before);
  };
  beam_search(0, Tokens{}, step, {.width = 3, .end = 3, .max_length = 1000});
  BOOST_TEST(steps < 20u);
}

// With alpha, what looks worse for many steps can still win by its length.
BOOST_AUTO_TEST_CASE(does_not_stop_too_early) {
  const Markov chain{{{0, 0.25, 0.75}, {0, 0.999, 0.001}, {}}};
  const auto best =
      beam_search(0, Tokens{}, chain, {.width = 20, .end = 2, .max_length = 10, .alpha = 1});
  BOOST_TEST(best[0].tokens.size() == 10u);
  BOOST_TEST(std::abs(best[0].score - (std::log(0.25) + 9 * std::log(0.999)) / 10) < 1e-12);
}

BOOST_AUTO_TEST_CASE(equal_probabilities_take_the_first) {
  const Markov even{{{0.25, 0.25, 0.25, 0.25}, {0.25, 0.25, 0.25, 0.25}}};
  const auto best =
      beam_search(0, Tokens{}, even, {.width = 2, .end = 3, .max_length = 2, .best = 2});
  BOOST_TEST(best[0].tokens == (Tokens{0, 0}), boost::test_tools::per_element());
  BOOST_TEST(best[1].tokens == (Tokens{0, 1}), boost::test_tools::per_element());
  BOOST_TEST(greedy_search(0, Tokens{}, even, {.max_length = 2}).tokens == (Tokens{0, 0}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const auto beam = [](const tapestry::BeamOptions& options) {
    return beam_search(0, Tokens{}, tempting, options);
  };
  BOOST_CHECK_EXCEPTION(beam({.width = 0}), ArgumentError,
                        says("[beam_search] width must be positive"));
  BOOST_CHECK_EXCEPTION(beam({.max_length = 0}), ArgumentError,
                        says("[beam_search] max_length must be positive"));
  BOOST_CHECK_EXCEPTION(beam({.width = 2, .best = 3}), ArgumentError,
                        says("[beam_search] best must lie in [1, width 2], not 3"));
  BOOST_CHECK_EXCEPTION(beam({.best = 0}), ArgumentError,
                        says("[beam_search] best must lie in [1, width 4], not 0"));
  BOOST_CHECK_EXCEPTION(beam({.alpha = -1}), ArgumentError,
                        says("[beam_search] alpha must be finite and not negative, not "
                             "-1.000000"));
  BOOST_CHECK_EXCEPTION(greedy_search(0, Tokens{}, tempting, {.max_length = 0}), ArgumentError,
                        says("[greedy_search] max_length must be positive"));
  const auto gives = [](std::vector<double> log_probs) {
    return [log_probs](std::int64_t, int state) { return std::pair(log_probs, state); };
  };
  const double infinity = std::numeric_limits<double>::infinity();
  BOOST_CHECK_EXCEPTION(greedy_search(0, 0, gives({-1, 2})), ArgumentError,
                        says("[greedy_search] the log-probability of token 1 is 2.000000 "
                             "(log_softmax makes log-probabilities of logits)"));
  BOOST_CHECK_THROW(beam_search(0, 0, gives({-1, std::nan("")})), ArgumentError);
  BOOST_CHECK_EXCEPTION(greedy_search(0, 0, gives({-infinity})), ArgumentError,
                        says("[greedy_search] no token has a probability above 0"));
  BOOST_CHECK_EXCEPTION(beam_search(0, 0, gives({})), ArgumentError,
                        says("[beam_search] no token has a probability above 0"));
}
