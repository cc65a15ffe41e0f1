// SPDX-License-Identifier: MIT
#include "tapestry/study/loss_terms.hpp"

#include <map>
#include <string>

#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/ops/losses.hpp"

namespace tapestry {
namespace {

void check_lengths(const std::vector<std::size_t>& lengths, std::size_t batch) {
  if (lengths.size() != batch)
    throw ShapeError("loss_terms", std::to_string(lengths.size()) + " lengths for " +
                                       std::to_string(batch) + " sequences");
}

}  // namespace

template <class T>
LossTerms<T> loss_terms(const std::vector<Variable<T>>& losses,
                        const std::vector<double>& weights) {
  if (!weights.empty() && weights.size() != losses.size())
    throw ArgumentError("loss_terms", std::to_string(losses.size()) + " losses, but " +
                                          std::to_string(weights.size()) + " weights");
  LossTerms<T> terms;
  for (std::size_t t = 0; t < losses.size(); ++t) {
    if (losses[t].size() != 1)
      throw ShapeError("loss_terms", "the loss of step " + std::to_string(t) + " has shape " +
                                         losses[t].shape().str() + ": it must be a scalar");
    terms.push_back({losses[t], static_cast<std::int64_t>(t), weights.empty() ? 1 : weights[t]});
  }
  return terms;
}

template <class T>
LossTerms<T> loss_terms(const Variable<T>& element_losses,
                        const std::vector<std::size_t>& lengths) {
  const Shape shape = element_losses.shape();
  if (shape.rank() != 2)
    throw ShapeError("loss_terms", "element losses " + shape.str() + " must have shape (T, B)");
  const std::size_t batch = shape[1];
  if (!lengths.empty()) check_lengths(lengths, batch);
  for (const std::size_t length : lengths)
    if (length > shape[0])
      throw ArgumentError("loss_terms", "a sequence of length " + std::to_string(length) +
                                            " in losses of " + std::to_string(shape[0]) + " steps");
  LossTerms<T> terms;
  for (std::size_t t = 0; t < shape[0]; ++t) {
    std::vector<T> seed(shape.size());
    bool any = false;
    for (std::size_t b = 0; b < batch; ++b) {
      if (!lengths.empty() && t >= lengths[b]) continue;
      seed[t * batch + b] = T{1};
      any = true;
    }
    if (any)
      terms.push_back({element_losses, static_cast<std::int64_t>(t), 1 / static_cast<double>(batch),
                       std::move(seed)});
  }
  return terms;
}

template <class T>
LossTerms<T> loss_terms(const Variable<T>& logits, const Indices& targets,
                        const std::vector<std::size_t>& lengths) {
  return loss_terms(softmax_cross_entropy(logits, targets, {.reduction = Reduction::none}),
                    lengths);
}

template <class T>
LossTerms<T> last_step_terms(const Variable<T>& sequence_losses,
                             const std::vector<std::size_t>& lengths) {
  const std::size_t batch = sequence_losses.size();
  check_lengths(lengths, batch);
  std::map<std::size_t, std::vector<T>> by_end;
  for (std::size_t b = 0; b < batch; ++b) {
    if (lengths[b] == 0)
      throw ArgumentError("loss_terms", "sequence " + std::to_string(b) + " has no last step");
    std::vector<T>& seed = by_end[lengths[b] - 1];
    seed.resize(batch);
    seed[b] = T{1};
  }
  LossTerms<T> terms;
  for (auto& [end, seed] : by_end)
    terms.push_back({sequence_losses, static_cast<std::int64_t>(end),
                     1 / static_cast<double>(batch), std::move(seed)});
  return terms;
}

TAPESTRY_INSTANTIATE_AS((LossTerms<T>(const std::vector<Variable<T>>&, const std::vector<double>&)),
                        loss_terms)
TAPESTRY_INSTANTIATE_AS((LossTerms<T>(const Variable<T>&, const std::vector<std::size_t>&)),
                        loss_terms, last_step_terms)
TAPESTRY_INSTANTIATE_AS((LossTerms<T>(const Variable<T>&, const Indices&,
                                      const std::vector<std::size_t>&)),
                        loss_terms)

}  // namespace tapestry
