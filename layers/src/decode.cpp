// SPDX-License-Identifier: MIT
#include "tapestry/layers/decode.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"

namespace tapestry::detail {
namespace {

constexpr double impossible = -std::numeric_limits<double>::infinity();

void check_max_length(const char* op, std::size_t max_length) {
  if (max_length == 0) throw ArgumentError(op, "max_length must be positive");
}

[[noreturn]] void throw_no_token(const char* op) {
  throw ArgumentError(op, "no token has a probability above 0");
}

bool better(const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; }

/// A hypothesis that could grow by one token.
struct Continuation {
  std::size_t origin;
  std::int64_t token;
  double log_probability;
};

/// The `count` most probable continuations, best first; of equal ones, the first.
std::vector<Continuation> best_continuations(const std::vector<Hypothesis>& hypotheses,
                                             const std::vector<std::vector<double>>& log_probs,
                                             std::size_t count) {
  std::vector<Continuation> all;
  for (std::size_t i = 0; i < hypotheses.size(); ++i)
    for (std::size_t token = 0; token < log_probs[i].size(); ++token)
      if (log_probs[i][token] != impossible)
        all.push_back({i, static_cast<std::int64_t>(token),
                       hypotheses[i].log_probability + log_probs[i][token]});
  const auto more_probable = [](const Continuation& a, const Continuation& b) {
    if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
    return std::pair(a.origin, a.token) < std::pair(b.origin, b.token);
  };
  count = std::min(count, all.size());
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(all.begin(), middle, all.end(), more_probable);
  all.resize(count);
  return all;
}

}  // namespace

std::vector<double> checked(const char* op, std::vector<double> log_probs) {
  constexpr double rounding = 1e-3;  // of log_softmax in float, with much to spare
  for (std::size_t token = 0; token < log_probs.size(); ++token)
    if (!(log_probs[token] <= rounding))
      throw ArgumentError(op, "the log-probability of token " + std::to_string(token) + " is " +
                                  fixed_text(log_probs[token]) +
                                  " (log_softmax makes log-probabilities of logits)");
  return log_probs;
}

Greedy::Greedy(std::int64_t start, const GreedyOptions& options)
    : options_(options), last_token_(start) {
  check_max_length("greedy_search", options.max_length);
}

bool Greedy::done() const {
  return hypothesis_.ended || hypothesis_.tokens.size() == options_.max_length;
}

void Greedy::advance(const std::vector<double>& log_probs) {
  const auto best = std::max_element(log_probs.begin(), log_probs.end());
  if (best == log_probs.end() || *best == impossible) throw_no_token("greedy_search");
  last_token_ = best - log_probs.begin();
  hypothesis_.log_probability += *best;
  hypothesis_.score = hypothesis_.log_probability;
  hypothesis_.ended = last_token_ == options_.end;
  if (!hypothesis_.ended) hypothesis_.tokens.push_back(last_token_);
}

Beam::Beam(std::int64_t start, const BeamOptions& options)
    : options_(options), growing_(1), last_tokens_{start} {
  const char* op = "beam_search";
  check_max_length(op, options.max_length);
  if (options.width == 0) throw ArgumentError(op, "width must be positive");
  if (options.best == 0 || options.best > options.width)
    throw ArgumentError(op, "best must lie in [1, width " + std::to_string(options.width) +
                                "], not " + std::to_string(options.best));
  if (!(options.alpha >= 0 && std::isfinite(options.alpha)))
    throw ArgumentError(op,
                        "alpha must be finite and not negative, not " + fixed_text(options.alpha));
}

double Beam::score(double log_probability, std::size_t length) const {
  return log_probability / std::pow(static_cast<double>(length), options_.alpha);
}

bool Beam::done() const {
  if (growing_.empty() || length_ == options_.max_length) return true;
  if (ended_.size() < options_.best) return false;
  // Log-probabilities only fall, so this is more than any that grows can come to.
  const double hope = score(growing_[0].log_probability, options_.max_length);
  return ended_[options_.best - 1].score >= hope;
}

std::vector<std::size_t> Beam::advance(const std::vector<std::vector<double>>& log_probs) {
  const auto kept = best_continuations(growing_, log_probs, options_.width);
  if (kept.empty() && ended_.empty()) throw_no_token("beam_search");
  ++length_;
  std::vector<Hypothesis> growing;
  std::vector<std::size_t> origins;
  last_tokens_.clear();
  for (const auto& [origin, token, log_probability] : kept) {
    Hypothesis next{growing_[origin].tokens, log_probability, score(log_probability, length_),
                    token == options_.end};
    if (next.ended) {
      ended_.insert(std::upper_bound(ended_.begin(), ended_.end(), next, better), next);
      continue;
    }
    next.tokens.push_back(token);
    growing.push_back(std::move(next));
    origins.push_back(origin);
    last_tokens_.push_back(token);
  }
  growing_ = std::move(growing);
  return origins;
}

std::vector<Hypothesis> Beam::best() const {
  std::vector<Hypothesis> all = ended_;
  if (length_ == options_.max_length) all.insert(all.end(), growing_.begin(), growing_.end());
  std::stable_sort(all.begin(), all.end(), better);
  all.resize(std::min(all.size(), options_.best));
  return all;
}

}  // namespace tapestry::detail
