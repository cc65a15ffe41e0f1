// SPDX-License-Identifier: MIT
// Studies of a tape as it is trained, with fused ops on it, give what they give of the same model
// recorded in primitive ops.
#define BOOST_TEST_MODULE study_fused
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "errors.hpp"
#include "study_models.hpp"
#include "tapestry/study.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace {

/// A model recorded twice.
struct Twice {
  std::string name;
  Studied fused, primitive;
};

template <class Layer>
Studied record(const std::shared_ptr<Layer>& layer, bool primitive,
               const layers::Lengths& lengths) {
  Studied s;
  s.model = layer;
  for (const auto& named : named_parameters(*layer)) s.parameters.push_back(named.second);
  s.tape->set_primitive(primitive);
  s.x = s.tape->variable(sample<double>({4, 2, 3}), "x");
  const auto output = lengths.empty() ? (*layer)(s.x).output : (*layer)(s.x, lengths).output;
  Indices targets = Indices::from_shape({4, 2});
  for (std::size_t k = 0; k < 8; ++k) targets.data()[k] = static_cast<std::int64_t>(k % 2);
  s.loss = softmax_cross_entropy(output, targets).named("loss");
  s.recurrent = &layer->weights(0).weight_hh;
  return s;
}

template <class Layer>
Twice twice(const std::string& name, Layer made, const layers::Lengths& lengths = {}) {
  const auto layer = std::make_shared<Layer>(std::move(made));
  return {name, record(layer, false, lengths), record(layer, true, lengths)};
}

std::vector<Twice> models() {
  using namespace layers;
  seed(7);
  std::vector<Twice> all;
  all.push_back(twice("rnn", RNN<double>({.input_size = 3, .hidden_size = 4})));
  all.push_back(twice("lstm", LSTM<double>({.input_size = 3, .hidden_size = 3})));
  all.push_back(twice("gru", GRU<double>({.input_size = 3, .hidden_size = 4})));
  all.push_back(
      twice("two layers", LSTM<double>({.input_size = 3, .hidden_size = 3, .num_layers = 2})));
  all.push_back(twice("bidirectional",
                      GRU<double>({.input_size = 3, .hidden_size = 2, .bidirectional = true})));
  all.push_back(twice(
      "two layers, bidirectional",
      RNN<double>({.input_size = 3, .hidden_size = 2, .num_layers = 2, .bidirectional = true})));
  all.push_back(twice("lengths", GRU<double>({.input_size = 3, .hidden_size = 3}), Lengths{4, 2}));
  return all;
}

void for_all(const std::function<void(Twice&)>& check) {
  for (Twice& model : models()) BOOST_TEST_CONTEXT(model.name) {
      check(model);
    }
}

/// Both ways to give a source: x as a variable, then each parameter.
template <class Check>
void for_each_source(Twice& model, const Check& check) {
  check(Source<double>(model.fused.x), Source<double>(model.primitive.x));
  for (const Parameter<double>* parameter : model.fused.parameters)
    BOOST_TEST_CONTEXT(parameter->name()) {
      check(Source<double>(*parameter), Source<double>(*parameter));
    }
}

double norm_of(const Array<double>& x) {
  double squares = 0;
  for (const double element : x) squares += element * element;
  return std::sqrt(squares);
}

auto within(double difference) { return boost::test_tools::tolerance(difference); }

LossTerms<double> terms_of(const Studied& s) {
  return loss_terms(std::vector{s.loss, s.loss * 2.0}, {1.0, 0.5});
}

void expect_same(const TimeTable& a, const TimeTable& b) {
  BOOST_TEST(a.loss_times == b.loss_times);
  BOOST_TEST(a.use_times == b.use_times);
  BOOST_REQUIRE_EQUAL(a.shares.size(), b.shares.size());
  for (std::size_t k = 0; k < a.shares.size(); ++k)
    BOOST_TEST(std::abs(a.shares[k] - b.shares[k]) < 1e-11);
  BOOST_TEST(a.gradient_norm == b.gradient_norm, within(1e-11));
  BOOST_TEST(a.biases.size() == b.biases.size());
}

}  // namespace

BOOST_AUTO_TEST_CASE(numbers_of_paths_and_their_sums) {
  for_all([](Twice& model) {
    for_each_source(model, [&](const Source<double>& a, const Source<double>& b) {
      for (const PathOptions& options :
           {PathOptions{}, {.primitives = true}, {.names = {"h"}}, {.names = {"h", "c"}}}) {
        const auto fused = paths(a, model.fused.loss, options);
        const auto primitive = paths(b, model.primitive.loss, options);
        BOOST_TEST(fused.count() == primitive.count());
        BOOST_TEST(fused.primitive_count() == primitive.primitive_count());
        BOOST_TEST(apart(fused.total(), primitive.total()) < 1e-12);
      }
    });
  });
}

BOOST_AUTO_TEST_CASE(paths_one_by_one) {
  for_all([](Twice& model) {
    const PathOptions options{.names = {"h", "c"}};
    const auto fused = paths(*model.fused.recurrent, model.fused.loss, options);
    const auto primitive = paths(*model.primitive.recurrent, model.primitive.loss, options);
    BOOST_TEST(fused.str() == primitive.str());
    auto other = primitive.begin();
    for (const auto& path : fused) {
      BOOST_TEST(path.str() == (*other).str());
      BOOST_TEST(path.latex() == (*other).latex());
      BOOST_TEST(apart(path.contribution(), (*other).contribution()) < 1e-11);
      ++other;
    }
    BOOST_TEST(fused.strongest(3).sum().size() == primitive.strongest(3).sum().size());
    BOOST_TEST(apart(fused.strongest(3).sum(), primitive.strongest(3).sum()) < 1e-11);
  });
}

BOOST_AUTO_TEST_CASE(tables_by_time) {
  for_all([](Twice& model) {
    for (const Parameter<double>* parameter : model.fused.parameters)
      BOOST_TEST_CONTEXT(parameter->name()) {
        expect_same(time_table(terms_of(model.fused), *parameter),
                    time_table(terms_of(model.primitive), *parameter));
        const auto fused = step_gradients(model.fused.loss, *parameter);
        const auto primitive = step_gradients(model.primitive.loss, *parameter);
        BOOST_REQUIRE_EQUAL(fused.size(), primitive.size());
        for (std::size_t k = 0; k < fused.size(); ++k) {
          BOOST_TEST(fused[k].time == primitive[k].time);
          BOOST_TEST(apart(fused[k].gradient, primitive[k].gradient) < 1e-11);
        }
      }
  });
}

BOOST_AUTO_TEST_CASE(flow_crossings_and_derivatives) {
  for_all([](Twice& model) {
    for_each_source(model, [&](const Source<double>& a, const Source<double>& b) {
      const auto flow = gradient_flow(a, model.fused.loss);
      const auto other = gradient_flow(b, model.primitive.loss);
      BOOST_TEST(flow.total() == other.total(), within(1e-10));
      BOOST_TEST(flow.imbalance() < 1e-12);
      for (std::int64_t step = 0; step < 4; ++step)
        BOOST_TEST(std::abs(flow.across_step(step) - other.across_step(step)) < 1e-11);
      for (const auto& arrow : flow.arrows())
        for (const std::uint32_t id : {arrow.from.id, arrow.to.id})
          BOOST_TEST(flow.cut(id) == flow.total(), within(1e-10));
      for (const ArrowMark& mark : {into_other_steps(), into_other_steps("h"), leaving("h")}) {
        const auto spectrum = crossings(a, model.fused.loss, mark);
        const auto expected = crossings(b, model.primitive.loss, mark);
        for (std::size_t m = 0; m < spectrum.size(); ++m)
          for (std::size_t k = 0; k < spectrum[m].size(); ++k)
            BOOST_TEST(std::abs(spectrum[m].data()[k] - expected[m].data()[k]) < 1e-12);
      }
      BOOST_TEST(apart(total(model.fused.loss, a), total(model.primitive.loss, b)) < 1e-11);
      BOOST_TEST(apart(partial(model.fused.loss, a), partial(model.primitive.loss, b)) < 1e-11);
    });
  });
}

BOOST_AUTO_TEST_CASE(norms_of_gradients_by_name) {
  for_all([](Twice& model) {
    const auto norms = gradient_norms(model.fused.loss);
    const auto flow = gradient_flow(model.fused.x, model.fused.loss);
    for (const auto& state : find_states(model.fused.loss, {"h"}))
      for (const Variable<double>& h : state.parts) {
        BOOST_TEST(norms.of(h) == norm_of(total(model.fused.loss, h)), within(1e-10));
        if (model.name != "lengths") BOOST_TEST(flow.of(h) != 0.0);
      }
    const auto named = [](const GradientNorms<double>& norms) {
      std::vector<std::pair<std::string, double>> list;
      for (const auto& norm : norms.values())
        if (!norm.value.name.empty() && norm.value.role == Role::op)
          list.emplace_back(norm.value.place + norm.value.name + std::to_string(norm.value.step),
                            norm.norm);
      std::ranges::sort(list);
      return list;
    };
    const auto fused = named(gradient_norms(model.fused.loss));
    const auto primitive = named(gradient_norms(model.primitive.loss));
    BOOST_REQUIRE_EQUAL(fused.size(), primitive.size());
    for (std::size_t k = 0; k < fused.size(); ++k) {
      BOOST_TEST(fused[k].first == primitive[k].first);
      BOOST_TEST(fused[k].second == primitive[k].second, within(1e-10));
    }
  });
}

BOOST_AUTO_TEST_CASE(spectra_of_states) {
  for_all([](Twice& model) {
    const bool lstm = model.name == "lstm" || model.name == "two layers";
    if (model.name == "lengths") return;  // one of the sequences ends before the last step
    StateFilter filter;
    if (model.name.find("bidirectional") != std::string::npos) filter = {"reverse", 0};
    const std::vector<std::string_view> names =
        lstm ? std::vector<std::string_view>{"h", "c"} : std::vector<std::string_view>{"h"};
    const auto states = find_states(model.fused.loss, names, filter);
    const auto expected = find_states(model.primitive.loss, names, filter);
    BOOST_REQUIRE_EQUAL(states.size(), expected.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
      BOOST_TEST(states[i].time == expected[i].time);
      BOOST_REQUIRE_EQUAL(states[i].parts.size(), expected[i].parts.size());
      for (std::size_t p = 0; p < states[i].parts.size(); ++p)
        BOOST_TEST(apart(Array<double>(states[i].parts[p].value()),
                         Array<double>(expected[i].parts[p].value())) < 1e-13);
    }
    BOOST_TEST(apart(state_jacobian(states.back(), states.front(), 1),
                     state_jacobian(expected.back(), expected.front(), 1)) < 1e-11);
    const auto spectrum = state_spectrum(states, {.sequence = 1, .loss = model.fused.loss});
    const auto other = state_spectrum(expected, {.sequence = 1, .loss = model.primitive.loss});
    for (std::size_t k = 0; k < spectrum.exponents.size(); ++k)
      BOOST_TEST(std::abs(spectrum.exponents[k] - other.exponents[k]) < 1e-9);
    BOOST_TEST(spectrum.realised == other.realised, within(1e-9));
    BOOST_CHECK_THROW(static_cast<void>(states[0].parts[0] + model.fused.x), StaleVariable);
  });
}

BOOST_AUTO_TEST_CASE(identities_hold_and_the_tape_stays_as_it_is) {
  for_all([](Twice& model) {
    Studied& s = model.fused;
    s.loss.backward();
    const std::string before = fingerprint(*s.tape, s.parameters);
    static_cast<void>(paths(*s.recurrent, s.loss).strongest(2).str());
    static_cast<void>(time_table(LossTerms<double>{{s.loss}}, *s.recurrent));
    static_cast<void>(gradient_norms(s.loss));
    static_cast<void>(find_states(s.loss, {"h"}));
    BOOST_TEST(fingerprint(*s.tape, s.parameters) == before);
    BOOST_TEST(verify(s.x, s.loss).holds(), verify(s.x, s.loss).str());
    for (const Parameter<double>* parameter : s.parameters)
      BOOST_TEST(verify(*parameter, s.loss).holds(), verify(*parameter, s.loss).str());
  });
}

BOOST_AUTO_TEST_CASE(what_is_marked_is_drawn) {
  seed(3);
  layers::LSTM<double> lstm(
      {.input_size = 3, .hidden_size = 2, .num_layers = 2, .bidirectional = true});
  Tape<double> tape;
  const auto x = tape.variable(sample<double>({3, 1, 3}), "x");
  const auto loss = sum(square(lstm(x).output)).named("loss");
  const auto& weight = lstm.weights(0).weight_hh;
  for (const DotOverlay& overlay :
       {paths(weight, loss, {.names = {"h"}}).longest().overlay(),
        gradient_flow(weight, loss).overlay(), gradient_norms(loss).overlay()}) {
    const Graph drawn = snapshot(loss);
    for (const auto& [id, mark] : overlay.values) BOOST_TEST(drawn.find(id).has_value());
    for (const auto& [arrow, mark] : overlay.arrows)
      BOOST_TEST((std::ranges::find(drawn.nodes(), arrow.first, &GraphNode::first_output) !=
                  drawn.nodes().end()));
    BOOST_TEST(overlay.values.rbegin()->first > tape.size());  // within a fused op
    BOOST_TEST(to_dot(loss, {.overlay = overlay}) != to_dot(loss));
  }
}

BOOST_AUTO_TEST_CASE(hooks_on_results_take_part_in_tables) {
  for_all([](Twice& model) {
    const auto norm = [](Studied& s) {
      return time_table(LossTerms<double>{{s.loss}}, *s.recurrent).gradient_norm;
    };
    const double before = norm(model.fused);
    const Hook twice = model.fused.loss.register_hook(
        [](const Variable<double>& gradient) { return gradient * 2.0; });
    BOOST_TEST(norm(model.fused) == 2 * before, within(1e-12));
    model.fused.loss.backward();
    const Array<double> gradient = model.fused.recurrent->grad();
    BOOST_TEST(norm(model.fused) == norm_of(gradient), within(1e-12));
  });
}

// Steps of one layer lead into the same steps of the next, whatever happens to them between.
BOOST_AUTO_TEST_CASE(dropout_between_layers) {
  layers::GRU<double> gru({.input_size = 3, .hidden_size = 2, .num_layers = 2, .dropout = 0.5});
  std::vector<PathCount> counts;
  for (const bool primitive : {false, true}) {
    Tape<double> tape;
    tape.set_primitive(primitive);
    const auto loss = sum(gru(tape.constant(sample<double>({4, 1, 3}))).output).named("loss");
    counts.push_back(paths(gru.weights(0).weight_hh, loss, {.names = {"h"}}).count());
  }
  BOOST_TEST(counts[0] == counts[1]);
}

BOOST_AUTO_TEST_CASE(a_variable_is_a_source_of_tables) {
  Tape<double> tape;
  const auto w = tape.variable(0.5, "w");
  Parameter<double> parameter(Array<double>(0.5), "p");
  std::vector<TimeTable> tables;
  for (const bool watched : {false, true}) {
    auto h = tape.constant(0.3);
    std::vector<Variable<double>> losses;
    for (std::size_t t = 0; t < 5; ++t) {
      const auto step = tape.step(t);
      h = tanh((watched ? tape.watch(parameter) : w) * h + 0.1);
      losses.push_back(square(h));
    }
    const auto terms = loss_terms(losses);
    tables.push_back(watched ? time_table(terms, parameter) : time_table(terms, w));
  }
  expect_same(tables[0], tables[1]);
  BOOST_TEST(tables[0].use_times.size() == 5U);
}

BOOST_AUTO_TEST_CASE(after_a_parameter_has_changed) {
  layers::LSTM<double> lstm({.input_size = 3, .hidden_size = 2});
  Tape<double> tape;
  const auto x = tape.variable(sample<double>({4, 1, 3}), "x");
  const auto loss = sum(lstm(x).output).named("loss");
  const auto all = paths(x, loss);
  loss.backward();
  BOOST_TEST(apart(all.total(), x.grad()) < 1e-12);
  lstm.weights(0).weight_hh.value() *= 0.5;
  const auto says_changed = [](const GradientError& error) {
    return std::string(error.what()).find("changed between the forward pass") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(static_cast<void>(all.total()), GradientError, says_changed);
  BOOST_CHECK_EXCEPTION(static_cast<void>(paths(x, loss)), GradientError, says_changed);
  BOOST_CHECK_EXCEPTION(static_cast<void>(find_states(loss, {"h"})), GradientError, says_changed);
  BOOST_CHECK_EXCEPTION(time_table(LossTerms<double>{{loss}}, lstm.weights(0).weight_ih),
                        GradientError, says_changed);
}

BOOST_AUTO_TEST_CASE(after_the_tape_was_rewound) {
  layers::RNN<double> rnn({.input_size = 3, .hidden_size = 2});
  Tape<double> tape;
  const auto x = tape.variable(sample<double>({3, 1, 3}), "x");
  const auto mark = tape.mark();
  std::vector<StateAt<double>> states;
  for (const double scale : {1.0, 2.0}) {
    tape.rewind(mark);
    const auto loss = sum(rnn(x * scale).output).named("loss");
    if (!states.empty()) BOOST_TEST(!states[0].parts[0].valid());
    states = find_states(loss, {"h"});
    BOOST_TEST(paths(x, loss, {.names = {"h"}}).count() == 6U);
    loss.backward();
    BOOST_TEST(apart(paths(x, loss).total(), x.grad()) < 1e-12);
    tape.zero_grad();
  }
}
