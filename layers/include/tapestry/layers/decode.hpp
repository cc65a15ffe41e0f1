// SPDX-License-Identifier: MIT
// Search for the most probable sequence of tokens, one token after another.
//
// Both searches call a function of yours, `step(token, state) -> {log_probs, state}`. It returns
// the logarithms of the probabilities of the next token (V of them, as an array, view or vector),
// and the state after `token`. A state is any value that can be copied; each hypothesis has its
// own.
//
//   const auto step = [&](std::int64_t token, const auto& state) {
//     const auto [output, next] = model.lstm(model.embed(tape, one(token)), state);
//     return std::pair(log_softmax(model.head(output)).value(), next);
//   };
//   const auto best = beam_search(start, state, step, {.width = 5, .end = end});
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace tapestry {

/// A sequence that a search has found.
struct Hypothesis {
  std::vector<std::int64_t> tokens;  ///< without the start and end tokens
  double log_probability = 0;        ///< the sum over all tokens, including the end token
  double score = 0;                  ///< the number by which the search ranks
  bool ended = false;                ///< whether the end token came before the maximal length
};

struct GreedyOptions {
  std::optional<std::int64_t> end = std::nullopt;  ///< the token that ends a sequence, if any
  std::size_t max_length = 100;                    ///< tokens of a sequence, the end token included
};

struct BeamOptions {
  std::size_t width = 4;                           ///< hypotheses that are followed at a time
  std::optional<std::int64_t> end = std::nullopt;  ///< the token that ends a sequence, if any
  std::size_t max_length = 100;                    ///< tokens of a sequence, the end token included
  /// The score is log_probability / length^alpha, where the length includes the end token. An alpha
  /// of 0 prefers short sequences; 1 compares the mean log-probability of the tokens.
  double alpha = 0;
  std::size_t best = 1;  ///< the number of hypotheses to return, at most the width
};

namespace detail {

/// Returns `log_probs`. Throws ArgumentError unless they are logarithms of probabilities.
std::vector<double> checked(const char* op, std::vector<double> log_probs);

template <class LogProbs>
std::vector<double> as_log_probs(const char* op, const LogProbs& log_probs) {
  return checked(op, std::vector<double>(log_probs.begin(), log_probs.end()));
}

/// A hypothesis that grows token by token.
class Greedy {
 public:
  Greedy(std::int64_t start, const GreedyOptions& options);

  [[nodiscard]] bool done() const;
  [[nodiscard]] std::int64_t last_token() const { return last_token_; }
  void advance(const std::vector<double>& log_probs);
  [[nodiscard]] Hypothesis result() const { return hypothesis_; }

 private:
  GreedyOptions options_;
  std::int64_t last_token_;
  Hypothesis hypothesis_;
};

/// The hypotheses of a beam search: some still grow, and some have ended.
class Beam {
 public:
  Beam(std::int64_t start, const BeamOptions& options);

  [[nodiscard]] bool done() const;

  /// The number of hypotheses that grow, and the last token of one of them.
  [[nodiscard]] std::size_t size() const { return growing_.size(); }
  [[nodiscard]] std::int64_t last_token(std::size_t i) const { return last_tokens_[i]; }

  /// Replaces the hypotheses by the best of all continuations, where hypothesis i continues with
  /// `log_probs[i]`. Returns for each hypothesis that grows on the one from which it came.
  std::vector<std::size_t> advance(const std::vector<std::vector<double>>& log_probs);

  [[nodiscard]] std::vector<Hypothesis> best() const;

 private:
  [[nodiscard]] double score(double log_probability, std::size_t length) const;

  BeamOptions options_;
  std::size_t length_ = 0;
  std::vector<Hypothesis> growing_;
  std::vector<std::int64_t> last_tokens_;
  std::vector<Hypothesis> ended_;  // best first
};

}  // namespace detail

/// Takes the most probable token at each step (the first of equally probable ones) until the end
/// token or the maximal length. Throws ArgumentError when max_length is 0, when a log-probability
/// is NaN or positive, or when no token is possible.
template <class State, class Step>
Hypothesis greedy_search(std::int64_t start, State state, const Step& step,
                         const GreedyOptions& options = {}) {
  detail::Greedy greedy(start, options);
  while (!greedy.done()) {
    auto [log_probs, next] = step(greedy.last_token(), std::as_const(state));
    greedy.advance(detail::as_log_probs("greedy_search", log_probs));
    state = std::move(next);
  }
  return greedy.result();
}

/// Follows the `width` most probable beginnings at a time (Sutskever et al. 2014). Returns the
/// `best` sequences with the highest scores, the best one first, or fewer if fewer were found. A
/// beginning that ends leaves the beam. The search ends when no beginning can reach a better score
/// any more, or at the maximal length; then a sequence that has not ended counts as it is. Width 1
/// is greedy search; a width of all possible sequences searches everything. Throws ArgumentError as
/// above, and when the width is 0, `best` is not from 1 to the width, or alpha is negative or not
/// finite.
template <class State, class Step>
std::vector<Hypothesis> beam_search(std::int64_t start, State state, const Step& step,
                                    const BeamOptions& options = {}) {
  detail::Beam beam(start, options);
  std::vector<State> states{std::move(state)};
  while (!beam.done()) {
    std::vector<std::vector<double>> log_probs;
    std::vector<State> next;
    for (std::size_t i = 0; i < beam.size(); ++i) {
      auto [continuations, after] = step(beam.last_token(i), std::as_const(states[i]));
      log_probs.push_back(detail::as_log_probs("beam_search", continuations));
      next.push_back(std::move(after));
    }
    states.clear();
    for (const std::size_t origin : beam.advance(log_probs)) states.push_back(next[origin]);
  }
  return beam.best();
}

}  // namespace tapestry
