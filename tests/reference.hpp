// SPDX-License-Identifier: MIT
// Numbers that PyTorch computed, for comparison. reference/make_reference.py writes them:
//
//   {"generator": "...",
//    "cases": {
//      "lstm/layers_2/bias/state": {
//        "options": {"hidden_size": 4, ...},                what the module was made with
//        "arrays": {
//          "input": {"shape": [4, 2, 3], "data": [...]},    row-major; float64, or integers
//          "weight_ih_l0": ..., "h_0": ..., "output": ..., "h_n": ...,
//          "cotangent/output": ..., "cotangent/h_n": ...,   loss = sum of outputs * cotangents
//          "loss": ..., "grad/input": ..., "grad/weight_ih_l0": ...}}}}
//
// Cases of the files, with what may be absent in brackets:
//   layers.json       {rnn_tanh,rnn_relu,lstm,gru}/layers_{1,2}/{bias,no_bias}[/state]
//                     linear/{bias,no_bias}/rank_{2,3}, embedding/rank_{1,2} ("tokens")
//   losses.json       {mean,sum,none}[/ignore][/smoothing][/weight], .../rank_3 and others:
//                     "logits", "targets", ["weight"], "output", "grad/logits"
//   losses_more.json  {mse_loss,l1_loss,huber_loss,huber_loss/delta,kl_div,kl_div/log_target,
//                     bce[/weight][/pos_weight]}/{mean,sum,none}: "input", "target", ...;
//                     nll_loss[/ignore_I][/weight]/...: "input", "targets", ["weight"], ...;
//                     gradient_penalty/{mlp,lstm}: "input", "target", the parameters, and for each
//                     step k from 1 "loss/k" and the parameters after it, "0.weight/k"
//   optim.json        {sgd,adam,adamw,rmsprop,adagrad}/...: "weight", "bias", "late"; for each step
//                     k from 1 "grad/weight/k" (absent: no gradient) and the value after it,
//                     "weight/k"; .../groups: each a group, their options in "groups";
//                     clip/...: "grad/weight", "norm", "clipped/weight";
//                     schedule/...: "rates" (steps + 1, groups); plateau/...: "metrics", "rates"
//   recurrent.json    {rnn_tanh,rnn_relu,lstm,lstm_proj,gru}/SEED: checksums of "output", "h_n",
//                     "c_n", "grad/..."; how, is told in make_recurrent_reference.py
//   interchange.json  {lstm,gru,rnn}_{float32,float64}: content of the files that the option
//                     "file" names, without .safetensors or .npz; "input" and "output"
//   attention.json    attention/..., layer_norm/..., encoder_decoder/...; see
//                     reference/make_attention_reference.py
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/error.hpp"

namespace tapestry::test {

/// One case of a reference file. It is a copy, so it outlives the Reference.
class ReferenceCase {
 public:
  ReferenceCase(std::string name, nlohmann::json content)
      : name_(std::move(name)), content_(std::move(content)) {}

  [[nodiscard]] const std::string& name() const { return name_; }

  [[nodiscard]] bool has(const std::string& array) const {
    return content_.at("arrays").contains(array);
  }

  /// The array of that name. Throws FileError when there is none.
  template <class T = double>
  [[nodiscard]] Array<T> array(const std::string& array) const {
    if (!has(array)) throw FileError("reference", "no array '" + array + "' in case " + name_);
    const nlohmann::json& stored = content_.at("arrays").at(array);
    Array<T> result;
    result.resize(stored.at("shape").get<std::vector<std::size_t>>());
    const auto data = stored.at("data").get<std::vector<T>>();
    if (data.size() != result.size())
      throw FileError("reference", "shape and data of '" + array + "' differ in " + name_);
    std::copy(data.begin(), data.end(), result.data());
    return result;
  }

  [[nodiscard]] Indices indices(const std::string& name) const { return array<std::int64_t>(name); }

  [[nodiscard]] bool has_option(const std::string& option) const {
    return content_.at("options").contains(option);
  }

  /// The option of that name, or `otherwise` when the case leaves it at its default.
  template <class V>
  [[nodiscard]] V option(const std::string& option, V otherwise) const {
    return content_.at("options").value(option, std::move(otherwise));
  }

 private:
  std::string name_;
  nlohmann::json content_;
};

/// A reference file: `Reference("layers.json")["linear/bias/rank_2"].array("output")`.
class Reference {
 public:
  /// Throws FileError when the file cannot be read.
  explicit Reference(const std::string& file) : file_(file) {
    std::ifstream stream(path(file));
    if (!stream) throw FileError("reference", "cannot read " + path(file));
    cases_ = nlohmann::json::parse(stream).at("cases");
  }

  /// Where a file of the folder lies.
  [[nodiscard]] static std::string path(const std::string& file) {
    return std::string(TAPESTRY_REFERENCE_DIR) + "/" + file;
  }

  /// The case of that name. Throws FileError when there is none.
  [[nodiscard]] ReferenceCase operator[](const std::string& name) const {
    if (!cases_.contains(name)) throw FileError("reference", "no case " + name + " in " + file_);
    return {name, cases_.at(name)};
  }

  /// All cases whose name starts with `prefix`. Throws FileError when there is none, so that a
  /// test over them cannot pass by doing nothing.
  [[nodiscard]] std::vector<ReferenceCase> cases(std::string_view prefix = {}) const {
    std::vector<ReferenceCase> found;
    for (const auto& [name, content] : cases_.items())
      if (name.starts_with(prefix)) found.emplace_back(name, content);
    if (found.empty())
      throw FileError("reference", "no case " + std::string(prefix) + "... in " + file_);
    return found;
  }

 private:
  std::string file_;
  nlohmann::json cases_;
};

/// The largest absolute difference of two arrays (or views); infinite when their shapes differ or
/// a value is NaN.
template <class A, class B>
[[nodiscard]] double max_difference(const A& actual, const B& expected) {
  if (!std::equal(actual.shape().begin(), actual.shape().end(), expected.shape().begin(),
                  expected.shape().end()))
    return std::numeric_limits<double>::infinity();
  double largest = 0;
  auto other = expected.begin();
  for (const auto value : actual) {
    const double difference = std::abs(static_cast<double>(value) - static_cast<double>(*other++));
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

}  // namespace tapestry::test
