// SPDX-License-Identifier: MIT
// The random programs of differential_test.cpp, run by the library and by libtorch: values,
// gradients, and derivatives of gradients. Environment as there; 10,000 programs by default.
#define BOOST_TEST_MODULE oracle_libtorch
#include <boost/test/unit_test.hpp>

#include <torch/torch.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "differential/compare.hpp"
#include "differential/generate.hpp"
#include "differential/settings.hpp"
#include "differential/tapestry_run.hpp"

namespace differential {
namespace {

using torch::Tensor;
using Sizes = std::vector<std::int64_t>;

const auto doubles = torch::dtype(torch::kFloat64);

Sizes sizes_of(const Extents& shape) { return {shape.begin(), shape.end()}; }

Tensor tensor_of(const Extents& shape, const Numbers& data) {
  Tensor tensor = torch::empty(sizes_of(shape), doubles);
  std::copy(data.begin(), data.end(), tensor.data_ptr<double>());
  return tensor;
}

Numbers numbers_of(const Tensor& tensor) {
  if (tensor._is_zerotensor()) return Numbers(static_cast<std::size_t>(tensor.numel()));
  const Tensor packed = tensor.detach().contiguous();
  const auto* data = packed.data_ptr<double>();
  return {data, data + packed.numel()};
}

/// The axes as torch wants them: it takes none for none, not for all.
Sizes dims_of(const Instruction& i, const Tensor& x) {
  Sizes dims(i.axes.begin(), i.axes.end());
  for (std::int64_t axis = 0; i.axes.empty() && axis < x.dim(); ++axis) dims.push_back(axis);
  return dims;
}

Tensor tokens_of_torch(const Instruction& i, std::int64_t extent) {
  Tensor tokens = torch::empty({static_cast<std::int64_t>(i.integers.size())}, torch::kInt64);
  for (std::size_t k = 0; k < i.integers.size(); ++k)
    tokens.data_ptr<std::int64_t>()[k] = i.integers[k] + (i.integers[k] < 0 ? extent : 0);
  return tokens;
}

class TorchRun {
 public:
  explicit TorchRun(const Program& program) : program_(program), values_(program.value_count) {}

  Outcome operator()();

 private:
  const Tensor& in(const Instruction& i, std::size_t k = 0) { return values_.at(i.inputs.at(k)); }
  void store(std::size_t value, const Tensor& tensor);
  void run(const Instruction& i);
  Tensor value_of(const Instruction& i);
  Tensor function_of(const Instruction& i);
  Tensor reduced(const Instruction& i);
  Tensor rearranged(const Instruction& i);
  Tensor cross_entropy(const Instruction& i);
  void differentiate();

  const Program& program_;
  std::vector<Tensor> values_;
  Outcome outcome_;
};

Outcome TorchRun::operator()() {
  outcome_.shapes.resize(program_.value_count);
  outcome_.values.resize(program_.value_count);
  outcome_.differentiable.resize(program_.value_count);
  for (const Leaf& leaf : program_.leaves) {
    Tensor x = tensor_of(leaf.shape, leaf.data);
    store(leaf.value, x.set_requires_grad(leaf.has_gradient()));
    outcome_.gradients.emplace_back(leaf.has_gradient() ? leaf.data.size() : 0);
    outcome_.second.push_back(outcome_.gradients.back());
  }
  for (const Instruction& i : program_.instructions) run(i);
  differentiate();
  return std::move(outcome_);
}

void TorchRun::store(std::size_t value, const Tensor& tensor) {
  values_[value] = tensor;
  outcome_.shapes[value] = Extents(tensor.sizes().begin(), tensor.sizes().end());
  outcome_.values[value] = numbers_of(tensor);
  outcome_.differentiable[value] = tensor.requires_grad();
}

void TorchRun::run(const Instruction& i) {
  if (i.op != Op::split) return store(i.results[0], value_of(i));
  const std::int64_t part = in(i).size(i.axis()) / i.integers[0];
  for (std::size_t j = 0; j < i.results.size(); ++j)
    store(i.results[j], in(i).narrow(i.axis(), static_cast<std::int64_t>(j) * part, part));
}

Tensor flags(const Tensor& truth) { return truth.to(torch::kFloat64); }

Tensor TorchRun::value_of(const Instruction& i) {
  if (i.op <= Op::less_equal_number) return function_of(i);
  if (i.op >= Op::reshape) return rearranged(i);
  if (i.op >= Op::sum) return reduced(i);
  const Tensor& a = in(i);
  const Tensor& b = in(i, 1);
  switch (i.op) {
    case Op::where_number:
      return torch::where(a != 0, b, torch::full({}, i.number, doubles));
    case Op::where_number_first:
      return torch::where(a != 0, torch::full({}, i.number, doubles), b);
    case Op::add:
      return a + b;
    case Op::subtract:
      return a - b;
    case Op::multiply:
      return a * b;
    case Op::divide:
      return a / b;
    case Op::pow:
      return torch::pow(a, b);
    case Op::maximum:
      return torch::maximum(a, b);
    case Op::minimum:
      return torch::minimum(a, b);
    case Op::greater:
      return flags(a > b);
    case Op::less:
      return flags(a < b);
    case Op::greater_equal:
      return flags(a >= b);
    case Op::less_equal:
      return flags(a <= b);
    case Op::equal:
      return flags(a == b);
    case Op::where:
      return torch::where(a != 0, b, in(i, 2));
    default:
      throw std::logic_error("an op that the oracle does not know");
  }
}

Tensor TorchRun::function_of(const Instruction& i) {
  const Tensor& x = in(i);
  const double c = i.number;
  switch (i.op) {
    case Op::negative:
      return -x;
    case Op::exp:
      return torch::exp(x);
    case Op::log:
      return torch::log(x);
    case Op::sqrt:
      return torch::sqrt(x);
    case Op::square:
      return torch::square(x);
    case Op::tanh:
      return torch::tanh(x);
    case Op::sigmoid:
      return torch::sigmoid(x);
    case Op::relu:
      return torch::relu(x);
    case Op::softplus:
      return torch::nn::functional::softplus(
          x, torch::nn::functional::SoftplusFuncOptions().threshold(1e3));
    case Op::abs:
      return torch::abs(x);
    case Op::sign:
      return torch::sign(x.detach());
    case Op::sin:
      return torch::sin(x);
    case Op::cos:
      return torch::cos(x);
    case Op::expm1:
      return torch::expm1(x);
    case Op::erf:
      return torch::erf(x);
    case Op::gelu:
      return torch::gelu(x);
    case Op::silu:
      return torch::silu(x);
    case Op::detach:
      return x.detach();
    case Op::add_number:
      return x + c;
    case Op::subtract_from:
      return c - x;
    case Op::multiply_number:
      return x * c;
    case Op::divide_by:
      return x / c;
    case Op::divide_number:
      return c / x;
    case Op::pow_number:
      return torch::pow(x, c);
    case Op::greater_number:
      return flags(x > c);
    case Op::less_equal_number:
      return flags(x <= c);
    default:
      throw std::logic_error("an op that the oracle does not know");
  }
}

/// torch::prod takes one axis at a time.
Tensor product(Tensor x, Sizes axes, bool keepdims) {
  for (std::int64_t& axis : axes) axis += axis < 0 ? x.dim() : 0;
  std::sort(axes.rbegin(), axes.rend());  // the last first, so that the others keep their numbers
  for (const std::int64_t axis : axes) x = x.prod(axis, keepdims);
  return x.clone();
}

Tensor TorchRun::reduced(const Instruction& i) {
  const Tensor& x = in(i);
  const Sizes dims = dims_of(i, x);
  switch (i.op) {
    case Op::sum:
      return x.sum(dims, i.flag);
    case Op::mean:
      return x.mean(dims, i.flag);
    case Op::max:
      return x.dim() == 0 ? x.clone() : x.amax(dims, i.flag);
    case Op::min:
      return x.dim() == 0 ? x.clone() : x.amin(dims, i.flag);
    case Op::prod:
      return product(x, dims, i.flag);
    case Op::var:
      return x.var(dims, false, i.flag);
    case Op::cumsum:
      return x.cumsum(i.axis());
    case Op::flip:
      return x.flip(dims);
    case Op::logsumexp:
      return x.dim() == 0 ? x.clone() : torch::logsumexp(x, dims, i.flag);
    case Op::softmax:
      return torch::softmax(x, i.axis());
    case Op::log_softmax:
      return torch::log_softmax(x, i.axis());
    case Op::cross_entropy:
      return cross_entropy(i);
    default:
      throw std::logic_error("an op that the oracle does not know");
  }
}

Tensor TorchRun::cross_entropy(const Instruction& i) {
  const Tensor& x = in(i);
  const std::int64_t classes = x.size(-1);
  const auto options = torch::nn::functional::CrossEntropyFuncOptions().label_smoothing(i.number);
  const Tensor rows = x.reshape({static_cast<std::int64_t>(i.integers.size()), classes});
  const Tensor targets = tokens_of_torch(i, 0);
  using torch::nn::functional::cross_entropy;
  switch (i.axis()) {
    case 0:
      return cross_entropy(rows, targets, options);
    case 1:
      return cross_entropy(
          rows, targets,
          torch::nn::functional::CrossEntropyFuncOptions(options).reduction(torch::kSum));
    default:
      return cross_entropy(
                 rows, targets,
                 torch::nn::functional::CrossEntropyFuncOptions(options).reduction(torch::kNone))
          .reshape(sizes_of(i.shape));
  }
}

Tensor TorchRun::rearranged(const Instruction& i) {
  const Tensor& x = in(i);
  std::vector<Tensor> all;
  for (std::size_t k = 0; k < i.inputs.size(); ++k) all.push_back(in(i, k));
  switch (i.op) {
    case Op::reshape:
      return x.reshape(sizes_of(i.shape));
    case Op::expand_dims:
      return x.unsqueeze(i.axis());
    case Op::squeeze:
      return x.squeeze(i.axis());
    case Op::transpose: {
      Sizes order = dims_of(i, x);
      if (i.axes.empty()) std::reverse(order.begin(), order.end());
      return x.permute(order);
    }
    case Op::broadcast_to:
      return x.expand(sizes_of(i.shape));
    case Op::slice:
      return x.slice(i.axis(), i.integers[0], i.integers[1], i.integers[2]);
    case Op::select:
      return x.select(i.axis(), i.integers[0]);
    case Op::concatenate:
      return torch::cat(all, i.axis());
    case Op::stack:
      return torch::stack(all, i.axis());
    case Op::take: {
      const std::int64_t axis = i.axis() < 0 ? i.axis() + x.dim() : i.axis();
      Sizes shape = x.sizes().vec();
      shape.erase(shape.begin() + axis);
      shape.insert(shape.begin() + axis, i.shape.begin(), i.shape.end());
      return x.index_select(axis, tokens_of_torch(i, x.size(axis))).reshape(shape);
    }
    case Op::matmul:
      return torch::matmul(i.flag ? x.transpose(-1, -2) : x,
                           i.flag_b ? in(i, 1).transpose(-1, -2) : in(i, 1));
    default:
      throw std::logic_error("an op that the oracle does not know");
  }
}

void TorchRun::differentiate() {
  Tensor loss = torch::zeros({}, doubles);
  for (const Root& root : program_.roots) {
    const Tensor& value = values_[root.value];
    if (value.requires_grad())
      loss = loss + (value * tensor_of(outcome_.shapes[root.value], root.weights)).sum();
  }
  std::vector<Tensor> leaves;
  std::vector<std::size_t> numbers;
  for (std::size_t k = 0; k < program_.leaves.size(); ++k) {
    if (!program_.leaves[k].has_gradient()) continue;
    leaves.push_back(values_[program_.leaves[k].value]);
    numbers.push_back(k);
  }
  if (!loss.requires_grad()) return;
  const auto first = torch::autograd::grad({loss}, leaves, {}, true, true, true);
  Tensor inner = torch::zeros({}, doubles);
  for (std::size_t n = 0; n < numbers.size(); ++n) {
    if (!first[n].defined()) continue;
    const Leaf& leaf = program_.leaves[numbers[n]];
    outcome_.gradients[numbers[n]] = numbers_of(first[n]);
    inner = inner + (first[n] * tensor_of(leaf.shape, leaf.direction)).sum();
  }
  if (!inner.requires_grad()) return;
  const auto second = torch::autograd::grad({inner}, leaves, {}, false, false, true);
  for (std::size_t n = 0; n < numbers.size(); ++n)
    if (second[n].defined()) outcome_.second[numbers[n]] = numbers_of(second[n]);
}

/// Whether a power has an exponent of 0. There PyTorch 1.13 takes the derivative of a^b by a to be
/// 0 for every b, so its derivative of that by b is 0 where it should be 1 / a.
bool has_zeroth_power(const Program& program, const Expected& expected) {
  for (const Instruction& i : program.instructions) {
    if (i.op != Op::pow) continue;
    for (const double exponent : expected.outcome.values[i.inputs[1]])
      if (exponent == 0) return true;
  }
  return false;
}

std::string check_against_torch(const Program& program) {
  Expected expected = expected_of(program);  // for the scales
  const Looks looks =
      detaches(program) || has_zeroth_power(program, expected) ? Looks::gradients : Looks::second;
  expected.outcome = TorchRun(program)();
  TapestryRun<double> run(program);
  for (const bool recorded : {false, true}) {
    const Outcome actual =
        run({.name = "", .gradient = recorded ? Way::differentiable : Way::backward});
    const Comparison result =
        compare(program, expected, actual, recorded ? looks : Looks::gradients);
    if (!result.mismatch.empty())
      return (recorded ? "recorded gradients: " : "backward: ") + result.mismatch;
  }
  return {};
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_programs_agree_with_libtorch) {
  torch::set_num_threads(1);
  std::size_t failures = 0;
  for (std::uint64_t seed = first_seed; seed < first_seed + programs && failures < 5; ++seed) {
    const Program program = Generator(seed).make();
    if (complaint(check_against_torch, program).empty()) continue;
    ++failures;
    BOOST_ERROR(report(program, check_against_torch));
  }
  BOOST_TEST(failures == 0u);
  BOOST_TEST_MESSAGE(programs << " programs agree with libtorch");
}

}  // namespace differential
