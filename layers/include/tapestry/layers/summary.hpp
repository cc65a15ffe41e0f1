// SPDX-License-Identifier: MIT
// What a model consists of, and whether a loss trains all of it.
//
//   std::cout << summary(model) << '\n';
//   ...
//   if (step == 0) check_model(model, loss);  // throws if visit forgets a part
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tapestry/autodiff/parameter_list.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/variable.hpp"
#include "tapestry/layers/module.hpp"

namespace tapestry {

/// A part of a model: a parameter, or something that has parts of its own.
struct PartSummary {
  std::string name;       ///< its path, "lstm.weight_ih_l0"; empty for the model itself
  std::size_t count = 0;  ///< numbers in it and its parts; those of shared parameters once
  bool is_parameter = false;
  bool trainable = false;        ///< of a parameter: it gets a gradient
  Shape shape = {};              ///< of a parameter
  std::string shared_with = {};  ///< of a parameter that came before, under this name
};

struct ModelSummary {
  std::vector<PartSummary> parts = {};  ///< in the order of `visit`, parents first
  std::size_t trainable = 0;            ///< numbers in parameters that get a gradient
  std::size_t frozen = 0;               ///< and in those that get none
  std::size_t bytes = 0;

  /// A table, and a line with the sums.
  friend std::ostream& operator<<(std::ostream& out, const ModelSummary& summary);
};

namespace detail {

/// Collects the parts of a model for its summary.
class SummaryBuilder {
 public:
  void add_part(std::string_view path);
  void add_parameter(std::string_view path, const void* parameter, const Shape& shape,
                     bool trainable, std::size_t bytes);
  ModelSummary take() { return std::move(summary_); }

 private:
  struct Known {
    const void* parameter;
    std::string name;
  };

  ModelSummary summary_;
  std::vector<Known> known_;
};

}  // namespace detail

/// The parts of a model with their shapes and how many numbers they have. The model may be const.
template <class Model>
[[nodiscard]] ModelSummary summary(const Model& model) {
  detail::SummaryBuilder builder;
  detail::read_parts(model, [&](std::string_view path, const auto& part) {
    using Part = std::remove_cvref_t<decltype(part)>;
    if constexpr (detail::is_parameter<Part>)
      builder.add_parameter(path, &part, part.shape(), part.requires_grad(),
                            part.size() * sizeof(typename Part::value_type));
    else if constexpr (detail::Visitable<Part>)
      builder.add_part(path);
  });
  return builder.take();
}

struct CheckModelOptions {
  /// Whether it is a mistake that the loss does not depend on a part, as it is unless there are
  /// several losses.
  bool reaches_all = true;
};

namespace detail {

template <class T>
void check_reached(const ParameterList<T>& parameters, const Variable<T>& loss,
                   const CheckModelOptions& options);

}  // namespace detail

/// Makes sure that training by `loss` trains the model, all of it and nothing else. Throws
/// ArgumentError, which names them, when the loss depends on parameters that `visit` does not show,
/// so that no optimizer sees them, or does not depend on some that it does show. Frozen parameters
/// do not count. Takes time linear in the length of the tape: meant for the first step.
template <class Model, class T>
void check_model(Model& model, const Variable<T>& loss, const CheckModelOptions& options = {}) {
  detail::check_reached<T>(parameters<T>(model), loss, options);
}

}  // namespace tapestry
