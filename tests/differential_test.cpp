// SPDX-License-Identifier: MIT
// Random programs, run by the library and by two oracles that know nothing of it: a naive scalar
// evaluator, which is itself compared with central differences. Environment:
//   TAPESTRY_PROGRAMS  how many (10,000; 1,000 under sanitizers and in debug builds)
//   TAPESTRY_SEED      number of the first one (1)
#define BOOST_TEST_MODULE differential
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "differential/compare.hpp"
#include "differential/generate.hpp"
#include "differential/naive.hpp"
#include "differential/settings.hpp"
#include "differential/tapestry_run.hpp"

namespace differential {
namespace {

constexpr std::array<Way, 7> ways{{
    {.name = "backward", .keep_handles = true},
    {.name = "backward, primitive", .primitive = true, .retain = true},
    {.name = "backward, no handles"},
    {.name = "gradients", .gradient = Way::gradients},
    {.name = "recorded gradients", .keep_handles = true, .gradient = Way::differentiable},
    {.name = "recorded gradients, primitive", .primitive = true, .gradient = Way::differentiable},
    {.name = "without recording", .gradient = Way::none},
}};

double largest_error = 0;  // of all, relative to its tolerance

/// The program in all ways on one tape, against the scalar evaluator.
std::string check_tapestry(const Program& program, const Expected& expected) {
  TapestryRun<double> run(program);
  Outcome first;
  for (const Way& way : ways) {
    Outcome actual = run(way);
    const Looks looks = way.gradient == Way::none ? Looks::values
                        : way.gradient == Way::differentiable && !detaches(program)
                            ? Looks::second
                            : Looks::gradients;
    const Comparison result = compare(program, expected, actual, looks);
    if (!result.mismatch.empty()) return std::string(way.name) + ": " + result.mismatch;
    largest_error = std::max(largest_error, result.largest);
    if (&way == &ways[0]) first = std::move(actual);
  }
  const Outcome again = run(ways[0]);
  if (again.values != first.values || again.gradients != first.gradients)
    return "the same program on a cleared tape gives other bits";
  return {};
}

std::string check_program(const Program& program) {
  return check_tapestry(program, expected_of(program));
}

/// The weighted sum of the roots with one number of one leaf moved; and which way comparisons went.
struct Probe {
  double loss;
  std::uint64_t decisions;
};
Probe probe(const Program& program, std::size_t leaf, std::size_t element, double move) {
  Naive<double> naive;
  for (std::size_t k = 0; k < program.leaves.size(); ++k) {
    Numbers data = program.leaves[k].data;
    if (k == leaf) data[element] += move;
    naive.leaf(program.leaves[k], data);
  }
  for (const Instruction& i : program.instructions) naive.run(i);
  double loss = 0;
  for (const Root& root : program.roots)
    if (naive[root.value].differentiable)
      for (std::size_t n = 0; n < root.weights.size(); ++n)
        loss += root.weights[n] * naive.graph().value(naive[root.value].nodes[n]);
  return {loss, naive.decisions()};
}

struct Differences {
  std::size_t compared = 0;
  std::size_t skipped = 0;
};

/// The evaluator's gradient by a few numbers, against central differences with two steps.
std::string check_differences(const Program& program, const Expected& expected,
                              Differences& count) {
  Random random(program.seed);
  for (int n = 0; n < 3; ++n) {
    const std::size_t k = random.below(program.leaves.size());
    const Leaf& leaf = program.leaves[k];
    if (!leaf.has_gradient() || leaf.data.empty()) continue;
    const std::size_t element = random.below(leaf.data.size());
    constexpr double h = 2e-5;
    const Probe at = probe(program, k, element, 0);
    const std::array<Probe, 4> around{probe(program, k, element, h), probe(program, k, element, -h),
                                      probe(program, k, element, h / 2),
                                      probe(program, k, element, -h / 2)};
    if (std::ranges::any_of(around, [&](const Probe& p) { return p.decisions != at.decisions; })) {
      ++count.skipped;
      continue;
    }
    ++count.compared;
    const double wide = (around[0].loss - around[1].loss) / (2 * h);
    const double narrow = (around[2].loss - around[3].loss) / h;
    const double numeric = (4 * narrow - wide) / 3;
    const double analytic = expected.outcome.gradients[k][element];
    const double scale = expected.scale.gradients[k][element];
    if (!(std::abs(numeric - analytic) <= 1e-6 * (1 + scale) + std::abs(wide - narrow)))
      return "the evaluator's gradient by v" + text_of(leaf.value) + ", element " +
             text_of(element) + ", is " + text_of(analytic) + ", but differences give " +
             text_of(numeric);
  }
  return {};
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_programs_agree_with_a_scalar_evaluator_and_with_differences) {
  Differences differences;
  std::vector<std::size_t> drawn(op_texts.size());
  std::size_t failures = 0;
  for (std::uint64_t seed = first_seed; seed < first_seed + programs && failures < 5; ++seed) {
    const Program program = Generator(seed).make();
    for (const Instruction& i : program.instructions) ++drawn[static_cast<std::size_t>(i.op)];
    const std::string wrong = complaint(check_program, program);
    if (!wrong.empty()) {
      ++failures;
      BOOST_ERROR(report(program, check_program));
    }
    if (!detaches(program)) {
      const std::string doubt = check_differences(program, expected_of(program), differences);
      BOOST_TEST(doubt.empty(), "program " << seed << ": " << doubt);
      failures += !doubt.empty();
    }
  }
  BOOST_TEST_MESSAGE(programs << " programs; largest error " << largest_error
                              << " of what is allowed; differences: " << differences.compared
                              << " compared, " << differences.skipped << " at a kink");
  if (programs < 500) return;
  for (std::size_t op = 0; op < drawn.size(); ++op)
    BOOST_TEST(drawn[op] > programs / 50, op_texts[op] << " was drawn " << drawn[op] << " times");
  BOOST_TEST(differences.compared > 10 * differences.skipped);
  BOOST_TEST(differences.compared > programs / 2);
}

BOOST_AUTO_TEST_CASE(a_wrong_op_is_found_and_the_program_reduced_to_it) {
  // A library that mistakes one op for another: it must not pass, and little else must remain.
  const auto check_wrong = [](Op right, Op wrong) {
    return [=](const Program& program) {
      Program mistaken = program;
      for (Instruction& i : mistaken.instructions)
        if (i.op == right) i.op = wrong;
      return check_tapestry(mistaken, expected_of(program));
    };
  };
  for (const auto& [right, wrong] : {std::pair{Op::tanh, Op::sigmoid},
                                     {Op::add, Op::subtract},
                                     {Op::sum, Op::mean},
                                     {Op::negative, Op::detach}}) {
    const Check check = check_wrong(right, wrong);
    std::uint64_t seed = 1;
    while (complaint(check, Generator(seed).make()).empty() && seed < 200) ++seed;
    const Program small = minimised(Generator(seed).make(), check);
    BOOST_TEST_REQUIRE(small.instructions.size() == 1u);
    BOOST_TEST((small.instructions[0].op == right));
  }
}

}  // namespace differential
