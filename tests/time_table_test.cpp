// SPDX-License-Identifier: MIT
// The gradient split by loss time and use time: it sums to the gradient, its cells are finite
// differences, and looking changes nothing.
#define BOOST_TEST_MODULE time_table
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>

#include "errors.hpp"
#include "time_models.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace {

double norm_of(const Array<double>& x) {
  return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0));
}

/// Calls `check(tape, model, terms, parameter)` for all studied parameters of all models.
template <class Check>
void for_all(const Check& check) {
  for (StudyModel& model : study_models()) {
    Tape<double> tape;
    tape.set_primitive(true);
    const LossTerms<double> terms = model.run(tape, {});
    for (Parameter<double>* parameter : model.studied) {
      BOOST_TEST_CONTEXT(model.name << ", " << parameter->name()) {
        check(tape, model, terms, *parameter);
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(sums_to_the_gradient) {
  for_all([](Tape<double>& tape, StudyModel&, const LossTerms<double>& terms, auto& parameter) {
    const TimeTable table = time_table(terms, parameter);
    BOOST_TEST(std::abs(std::accumulate(table.shares.begin(), table.shares.end(), 0.0) - 1) <
               1e-12);
    Array<double> whole(parameter.value());
    whole.fill(0);
    const auto steps = step_gradients(terms, parameter);
    for (std::size_t c = 0; c < steps.size(); ++c) {
      whole += steps[c].gradient;
      BOOST_TEST(steps[c].time == table.use_times[c]);
      BOOST_TEST(std::abs(norm_of(steps[c].gradient) - table.use_norms[c]) < 1e-12);
    }
    const auto J = objective(tape, terms);
    parameter.zero_grad();
    J.backward();
    BOOST_TEST(relative_difference(whole, parameter.grad()) < 1e-12);
    BOOST_TEST(std::abs(norm_of(parameter.grad()) - table.gradient_norm) <
               1e-12 * table.gradient_norm);
    // The columns by one backward pass, against the sums over the rows of all cells.
    const std::vector<double> shares = table.use_shares();
    for (std::size_t c = 0; c < steps.size(); ++c) {
      const double along =
          std::inner_product(whole.begin(), whole.end(), steps[c].gradient.begin(), 0.0);
      BOOST_TEST(std::abs(shares[c] - along / (norm_of(whole) * norm_of(whole))) < 1e-12);
    }
    tape.zero_grad();
  });
}

BOOST_AUTO_TEST_CASE(cells_are_finite_differences_with_one_use_moved) {
  constexpr double eps = 1e-5;
  for_all([](Tape<double>&, StudyModel& model, const LossTerms<double>& terms, auto& parameter) {
    Move move{&parameter, 0, eps, parameter.value()};
    Generator random(3);
    for (double& d : move.direction) d = random.uniform(-1, 1);
    const TimeTable table = time_table(terms, parameter, {.direction = move.direction});
    std::vector<double> numeric;
    std::vector<double> actual;
    for (std::size_t c = 0; c < table.use_times.size(); ++c) {
      move.time = table.use_times[c];
      if (move.time == TimeTable::no_step) continue;  // is not moved by the models
      Tape<double> scratch;
      const auto off = scratch.no_grad();
      move.by = eps;
      const std::vector<double> up = loss_values(model.run(scratch, move));
      move.by = -eps;
      const std::vector<double> down = loss_values(model.run(scratch, move));
      for (std::size_t r = 0; r < terms.size(); ++r) {
        numeric.push_back(terms[r].weight * (up[r] - down[r]) / (2 * eps));
        actual.push_back(table.share(r, c) * table.total);
      }
    }
    double largest = 0;
    for (std::size_t i = 0; i < numeric.size(); ++i) {
      largest = std::max(largest, std::abs(numeric[i]));
      BOOST_TEST(std::abs(numeric[i] - actual[i]) < 1e-8, numeric[i] << " and " << actual[i]);
    }
    if (table.use_times.back() != TimeTable::no_step) BOOST_TEST(largest > 1e-5);
  });
}

BOOST_AUTO_TEST_CASE(norms_and_biases_are_those_of_the_cells) {
  for_all([](Tape<double>&, StudyModel&, const LossTerms<double>& terms, auto& parameter) {
    const TimeTable table = time_table(terms, parameter);
    std::vector<Array<double>> beyond(table.biases.size(), Array<double>(parameter.value()));
    for (auto& sum : beyond) sum.fill(0);
    double norms = 0;
    for (std::size_t r = 0; r < terms.size(); ++r) {
      const auto cells = step_gradients(LossTerms<double>{terms[r]}, parameter);
      for (std::size_t c = 0; c < cells.size(); ++c) {
        norms += norm_of(cells[c].gradient);
        const double norm = std::exp(table.log_norm(r, c));
        BOOST_TEST(std::abs(norm - norm_of(cells[c].gradient)) < 1e-9);
        if (cells[c].time == TimeTable::no_step) continue;
        for (std::size_t j = 0; j < beyond.size(); ++j)
          if (std::abs(terms[r].time - cells[c].time) >= table.biases[j].window)
            beyond[j] += cells[c].gradient;
      }
    }
    for (std::size_t j = 0; j < beyond.size(); ++j)
      BOOST_TEST(std::abs(table.biases[j].bias - norm_of(beyond[j]) / table.gradient_norm) < 1e-10);
    if (!table.biases.empty()) BOOST_TEST(table.biases.back().bias == 0.0);
    BOOST_TEST(std::abs(table.cancellation() - table.gradient_norm / norms) < 1e-8);
  });
}

BOOST_AUTO_TEST_CASE(uses_outside_of_the_steps_have_no_truncation_bias) {
  seed(4);
  layers::Embedding<double> embedding(5, 3);
  layers::RNN<double> rnn({.input_size = 3, .hidden_size = 4});
  Tape<double> tape;
  tape.set_primitive(true);
  Indices tokens = Indices::from_shape({6, 1});
  for (std::size_t t = 0; t < 6; ++t) tokens(t, 0) = static_cast<std::int64_t>(t % 5);
  const auto output = rnn(embedding(tape, tokens)).output;
  const auto terms = loss_terms(sum(square(output), {2}));
  for (const auto& windows : {std::vector<std::int64_t>{}, std::vector<std::int64_t>{1, 3}}) {
    const TimeTable table = time_table(terms, embedding.weight(), {.windows = windows});
    BOOST_TEST(table.use_times.front() == TimeTable::no_step);
    BOOST_TEST(table.biases.empty());
    BOOST_TEST(!table.window(0.01).has_value());
    std::ostringstream out;
    out << table;
    BOOST_TEST(out.str().find("truncation after") == std::string::npos, out.str());
    BOOST_TEST(out.str().find("halves") == std::string::npos, out.str());
    BOOST_TEST(out.str().find("have no lag") != std::string::npos, out.str());
  }
  BOOST_TEST(!time_table(terms, rnn.weights(0).weight_hh).biases.empty());
}

BOOST_AUTO_TEST_CASE(leaves_tape_and_gradients_alone) {
  for_all(
      [](Tape<double>& tape, StudyModel& model, const LossTerms<double>& terms, auto& parameter) {
        objective(tape, terms).backward();
        const Untouched untouched(tape, model);
        time_table(terms, parameter);
        untouched.check();
        step_gradients(terms, parameter);
        untouched.check();
        Array<double> wrong = Array<double>::from_shape({3, 3, 3});
        BOOST_CHECK_THROW(time_table(terms, parameter, {.direction = wrong}), ShapeError);
        untouched.check();
      });
}

BOOST_AUTO_TEST_CASE(far_lags_do_not_underflow) {  // h_t = h_{t-1} / 8 + W x, in float
  constexpr std::size_t steps = 300;               // 8^-300 is far outside of float
  Parameter<float> w(Array<float>{{1, 0}, {0, 1}}, "w");
  Tape<float> tape;
  const auto x = tape.constant(Array<float>{{0.6f, 0.8f}});
  auto h = tape.constant(Array<float>{{0, 0}});
  for (std::size_t t = 0; t < steps; ++t) {
    const auto step = tape.step(t);
    h = matmul(x, tape.watch(w)) + h * 0.125f;
  }
  const auto table = time_table(LossTerms<float>{{sum(h), steps - 1}}, w);
  for (std::size_t k = 0; k < steps; k += 13) {
    const double expected =
        std::log(std::sqrt(2.0)) - static_cast<double>(steps - 1 - k) * std::log(8.0);
    BOOST_TEST(std::abs(table.log_norm(0, k) - expected) < 1e-4);
  }
  BOOST_TEST(std::abs(table.half_life() - 1.0 / 3) < 1e-5);
  BOOST_TEST(std::abs(table.use_shares().back() - 7.0 / 8) < 1e-6);
}

BOOST_AUTO_TEST_CASE(large_gradients_do_not_overflow) {  // cells up to 3^299 that cancel exactly
  constexpr std::size_t steps = 300;
  Parameter<float> w(Array<float>{1e-30f}, "w");
  Tape<float> tape;
  auto h = tape.constant(Array<float>{0.0f});
  for (std::size_t t = 0; t < steps; ++t) {
    const auto step = tape.step(t);
    h = tape.watch(w) * (t < 20 ? 1e-37f : 0.5f) + h * (t < 280 ? 3.0f : 1.0f);
  }
  const auto loss = sum(h);
  const auto table = time_table(LossTerms<float>{{loss, steps - 1, 1}, {loss, steps - 1, -1}}, w);
  BOOST_TEST(table.gradient_norm == 0.0);
  BOOST_TEST(table.total == 0.0);
  for (const double share : table.shares) BOOST_TEST(share == 0.0);
  for (const std::size_t k : {30u, 120u, 250u}) {
    const double expected = std::log(0.5) + (279.0 - static_cast<double>(k)) * std::log(3.0);
    BOOST_TEST(std::abs(table.log_norm(0, k) - expected) < 1e-4);
    BOOST_TEST(table.log_norm(1, k) == table.log_norm(0, k));
  }
}

BOOST_AUTO_TEST_CASE(block_of_cells_is_what_crosses_a_cut_in_time) {
  seed(9);
  for (const StudyModel& model : std::vector{scalar_rnn_model(), rnn_model(), gru_model()}) {
    BOOST_TEST_CONTEXT(model.name) {
      Tape<double> tape;
      tape.set_primitive(true);
      const auto terms = model.run(tape, {});
      const Parameter<double>& parameter = *model.studied[1];
      const TimeTable table = time_table(terms, parameter);
      Array<double> whole(parameter.value());
      whole.fill(0);
      for (const auto& step : step_gradients(terms, parameter)) whole += step.gradient;
      const auto states = find_states(terms.back().loss, {"h"});
      for (std::size_t j = 0; j + 1 < states.size(); ++j) {
        // What the losses after step j send back through its state, and on to the uses before.
        LossTerms<double> later(terms.begin() + static_cast<std::ptrdiff_t>(j) + 1, terms.end());
        const Variable<double> h = states[j].parts[0];
        const Array<double> u(gradients(objective(tape, later), {h})[0].value());
        const LossTerms<double> across{
            {h, states[j].time, 1, std::vector<double>(u.begin(), u.end())}};
        double crossing = 0;
        for (const auto& step : step_gradients(across, parameter))
          crossing += std::inner_product(whole.begin(), whole.end(), step.gradient.begin(), 0.0);
        double block = 0;
        for (std::size_t r = j + 1; r < terms.size(); ++r)
          for (std::size_t c = 0; c <= j; ++c) block += table.share(r, c);
        BOOST_TEST(std::abs(block - crossing / table.total) < 1e-12);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_band_of_lags_leaves_a_remainder) {
  seed(4);
  StudyModel model = lstm_model();
  Tape<double> tape;
  tape.set_primitive(true);
  const auto terms = model.run(tape, {});
  Parameter<double>& parameter = *model.studied[1];
  const TimeTable whole = time_table(terms, parameter);
  const TimeTable band = time_table(terms, parameter, {.max_lag = 2});
  double inside = 0;
  for (std::size_t r = 0; r < 6; ++r) {
    for (std::size_t c = 0; c < 6; ++c) {
      const bool near = std::abs(whole.loss_times[r] - whole.use_times[c]) <= 2;
      BOOST_TEST(std::abs(band.share(r, c) - (near ? whole.share(r, c) : 0)) < 1e-12);
      if (near) inside += whole.share(r, c);
    }
  }
  BOOST_TEST(std::abs(band.remainder() - (1 - inside)) < 1e-12);
  BOOST_TEST(std::abs(whole.remainder()) < 1e-12);
  BOOST_TEST(band.biases.size() == 3u);
  for (std::size_t j = 0; j < 3; ++j)
    BOOST_TEST(std::abs(band.biases[j].bias - whole.biases[j].bias) < 1e-12);
  const TimeTable some = time_table(terms, parameter, {.windows = {4, 2}});
  BOOST_TEST(some.biases.size() == 2u);
  BOOST_TEST(std::abs(some.biases[0].bias - whole.biases[1].bias) < 1e-12);
  BOOST_TEST(std::abs(some.biases[1].bias - whole.biases[3].bias) < 1e-12);
  const TimeTable small = time_table(terms, parameter, {.bias_memory = 1});
  BOOST_TEST(small.biases.size() < whole.biases.size());
  BOOST_TEST(small.biases.back().bias == 0.0);
}

BOOST_AUTO_TEST_CASE(lags_count_from_the_end_of_each_sequence) {
  seed(2);
  layers::RNN<double> rnn({.input_size = 3, .hidden_size = 4});
  const layers::Lengths lengths{3, 6};
  Tape<double> tape;
  const auto output = rnn(tape.constant(sample<double>({6, 2, 3}, 5)), lengths).output;
  const auto losses = sum(square(last_step(output, lengths)), {1});
  const auto terms = last_step_terms(losses, lengths);
  BOOST_TEST(terms.size() == 2u);
  const auto table = time_table(terms, rnn.weights(0).weight_ih);
  BOOST_TEST((table.loss_times == std::vector<std::int64_t>{2, 5}));
  for (std::size_t k = 3; k < 6; ++k) BOOST_TEST(table.share(0, k) == 0.0);
  double sum_of_shares = 0;
  for (const LagPoint& point : table.lag_curve()) {
    BOOST_TEST(point.lag >= 0);
    sum_of_shares += point.share;
  }
  BOOST_TEST(std::abs(sum_of_shares - 1) < 1e-12);
}

BOOST_AUTO_TEST_CASE(of_logits_and_targets) {
  seed(2);
  layers::GRU<double> gru({.input_size = 3, .hidden_size = 4});
  Tape<double> tape;
  tape.set_primitive(true);
  const auto logits = gru(tape.constant(sample<double>({5, 2, 3}, 5))).output;
  Indices targets = Indices::from_shape({5, 2});
  targets.fill(3);
  const auto terms = loss_terms(logits, targets, {5, 2});
  const auto J = sequence_cross_entropy(logits, targets, {5, 2});
  BOOST_TEST(std::abs(objective(tape, terms).item() - J.item()) < 1e-14);
  const TimeTable table = time_table(terms, gru.weights(0).weight_hh);
  J.backward();
  BOOST_TEST(std::abs(table.gradient_norm - norm_of(gru.weights(0).weight_hh.grad())) < 1e-14);
  BOOST_CHECK_EXCEPTION((void)loss_terms(logits, targets, {5, 2, 1}), ShapeError,
                        says("[loss_terms] 3 lengths for 2 sequences"));
}

BOOST_AUTO_TEST_CASE(is_written_for_readers_and_programs) {
  seed(2);
  StudyModel model = rnn_model();
  Tape<double> tape;
  tape.set_primitive(true);
  const TimeTable table = time_table(model.run(tape, {}), *model.studied[1]);
  std::ostringstream text;
  text << table;
  BOOST_TEST(text.str().find("6 losses x 6 steps of use") == 0u, text.str());
  save_csv(table, "table.csv");
  std::ifstream file("table.csv");
  std::string line;
  std::size_t lines = 0;
  double sum = 0;
  while (std::getline(file, line))
    if (lines++ > 0) {
      std::istringstream fields(line);
      std::string field;
      for (int i = 0; i < 4; ++i) std::getline(fields, field, ',');
      sum += std::stod(field);
    }
  BOOST_TEST(lines == 37u);
  BOOST_TEST(std::abs(sum - 1) < 1e-12);
  BOOST_CHECK_THROW(save_csv(table, "no/such/folder.csv"), FileError);
}

BOOST_AUTO_TEST_CASE(of_what_cannot_be_studied) {
  seed(2);
  StudyModel model = rnn_model();
  Tape<double> tape;
  const auto terms = model.run(tape, {});
  Parameter<double> other(Array<double>{1.0}, "other");
  BOOST_CHECK_EXCEPTION(time_table(terms, other), ArgumentError,
                        says("[time_table] the tape has no use of the parameter 'other'"));
  BOOST_CHECK_EXCEPTION(time_table(LossTerms<double>{}, other), ArgumentError,
                        says("[time_table] there are no loss terms"));
  BOOST_CHECK_EXCEPTION(
      time_table(LossTerms<double>{{terms[0].loss}}, *model.studied[0]), ShapeError,
      says("[time_table] the loss of step 0 has shape (6, 2), but its seed 1 element"));
  BOOST_CHECK_EXCEPTION((void)loss_terms(std::vector{terms[0].loss}), ShapeError,
                        says("[loss_terms] the loss of step 0 has shape (6, 2): it must be a "
                             "scalar"));
  Parameter<double> logits(Array<double>{{1.0, 2.0}}, "logits");
  const auto fused = softmax_cross_entropy(tape.watch(logits), Indices{0});
  const TimeTable outside = time_table(loss_terms(std::vector{fused}), logits);
  BOOST_TEST((outside.use_times == std::vector<std::int64_t>{TimeTable::no_step}));
  other.set_requires_grad(false);
  const auto frozen = tape.watch(other);
  BOOST_CHECK_EXCEPTION(time_table(loss_terms(std::vector{sum(frozen)}), other), GradientError,
                        says("[time_table] the parameter 'other' is frozen: it has no gradient"));
  tape.clear();
  BOOST_CHECK_THROW(time_table(terms, *model.studied[0]), StaleVariable);
}
