// SPDX-License-Identifier: MIT
// What follows from `visit`: parameters and their names, scopes, modes, copies.
#define BOOST_TEST_MODULE module
#include "tapestry/layers/module.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <list>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "errors.hpp"
#include "layer_checks.hpp"
#include "tapestry/autodiff.hpp"
#include "tapestry/layers/embedding.hpp"
#include "tapestry/layers/gru.hpp"
#include "tapestry/layers/linear.hpp"
#include "tapestry/layers/lstm.hpp"

using namespace tapestry::test;
using tapestry::Array;
using tapestry::named_parameters;
using tapestry::Parameter;
using tapestry::parameters;
using tapestry::Tape;
using tapestry::layers::Embedding;
using tapestry::layers::GRU;
using tapestry::layers::Linear;
using tapestry::layers::LSTM;

namespace {

struct Block {
  Linear<> in{2, 3};
  Linear<> out{3, 2, {.bias = false}};
  Parameter<float> gain{sample<float>({2})};

  void visit(auto&& part) {
    part("in", in);
    part("out", out);
    part("gain", gain);
  }
};

struct Nested {
  std::vector<Block> blocks = std::vector<Block>(2);
  std::array<std::optional<Linear<>>, 3> heads{std::nullopt, Linear<>(2, 1), std::nullopt};
  std::optional<Block> none;
  std::optional<std::vector<Parameter<float>>> scales{std::in_place, 2};
  std::list<std::vector<Linear<>>> grid{{}, {Linear<>(1, 1, {.bias = false})}};

  void visit(auto&& part) {
    part("blocks", blocks);
    part("heads", heads);
    part("none", none);
    part("scales", scales);
    part("grid", grid);
  }
};

const std::vector<std::string> nested_names = {
    "blocks.0.in.weight",  "blocks.0.in.bias",   "blocks.0.out.weight",
    "blocks.0.gain",       "blocks.1.in.weight", "blocks.1.in.bias",
    "blocks.1.out.weight", "blocks.1.gain",      "heads.1.weight",
    "heads.1.bias",        "scales.0",           "scales.1",
    "grid.1.0.weight"};

template <class T = void, class Model>
std::vector<std::string> names_of(Model& model) {
  std::vector<std::string> names;
  for (const auto& [name, parameter] : named_parameters<T>(model)) names.push_back(name);
  return names;
}

struct Recurrent {
  using value_type = double;
  Embedding<double> embed{5, 3};
  struct Inner {
    std::vector<LSTM<double>> cells{
        2, LSTM<double>({.input_size = 3, .hidden_size = 3, .num_layers = 2, .dropout = 0.5})};
    void visit(auto&& part) { part("cells", cells); }
  } inner;

  void visit(auto&& part) {
    part("embed", embed);
    part("inner", inner);
  }
};

struct OnlyFloatNames {  // no value_type, and doubles
  Linear<double> head{2, 1};
  void visit(auto&& part) { part("head", head); }
};

struct LongName {
  std::string name;
  Parameter<float> w;
  void visit(auto&& part) { part(name, w); }
};

struct Twins {
  Parameter<float>* shared;
  void visit(auto&& part) {
    part("first", *shared);
    part("second", *shared);
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(names)

BOOST_AUTO_TEST_CASE(of_nested_parts_in_order) {
  Nested model;
  BOOST_TEST(names_of(model) == nested_names, boost::test_tools::per_element());
  const auto list = parameters(model);
  BOOST_TEST(list.size() == 13u);
  BOOST_TEST(list[0] == &model.blocks[0].in.weight());
  BOOST_TEST(list[7] == &model.blocks[1].gain);
  BOOST_TEST(list[9] == &model.heads[1]->bias());
  BOOST_TEST(list[12] == &model.grid.back()[0].weight());
  for (std::size_t i = 0; i < list.size(); ++i) BOOST_TEST(list[i]->name() == nested_names[i]);
}

BOOST_AUTO_TEST_CASE(follow_the_model) {
  Nested model;
  parameters(model);
  model.none.emplace();
  model.blocks.pop_back();
  const auto names = names_of(model);
  BOOST_TEST(names.size() == 13u);
  BOOST_TEST(names[6] == "none.in.weight");
  Block alone = model.blocks[0];
  BOOST_TEST(alone.gain.name() == "blocks.0.gain");
  BOOST_TEST(names_of(alone).back() == "gain");
  BOOST_TEST(alone.gain.name() == "gain");
}

BOOST_AUTO_TEST_CASE(are_given_to_layers_too) {
  Recurrent model;
  BOOST_TEST(model.inner.cells[1].name() == "lstm");
  BOOST_TEST(model.embed.weight().name() == "weight");
  tapestry::name_parts(model);
  BOOST_TEST(model.embed.name() == "embed");
  BOOST_TEST(model.inner.cells[1].name() == "inner.cells.1");
  BOOST_TEST(model.inner.cells[1].weights(1).bias_hh.name() == "inner.cells.1.bias_hh_l1");
  tapestry::name_parts(model.inner.cells[1]);  // a layer by itself keeps its name
  BOOST_TEST(model.inner.cells[1].name() == "inner.cells.1");
  BOOST_TEST(model.inner.cells[1].weights(1).bias_hh.name() == "bias_hh_l1");
}

BOOST_AUTO_TEST_CASE(become_scopes) {
  Recurrent model;
  tapestry::name_parts(model);
  Tape<double> tape;
  tapestry::Indices tokens = tapestry::Indices::from_shape({2, 1});
  tokens.fill(4);
  const auto x = model.embed(tape, tokens);
  const auto& state = tape.state();
  BOOST_TEST(state.scopes.path(state.entries[x.index()].scope) == "embed");
  const auto y = model.inner.cells[1](x).output;
  BOOST_TEST(state.scopes.path(state.entries[y.index()].scope) == "inner, cells 1, layer 1");
  const auto outer = tape.scope("encoder");
  const auto z = model.inner.cells[0](x).output;
  BOOST_TEST(state.scopes.path(state.entries[z.index()].scope) ==
             "encoder, inner, cells 0, layer 1");
  const auto wrong = tape.constant(zeros<double>({2, 1, 2}));
  BOOST_CHECK_EXCEPTION(model.inner.cells[0](wrong), tapestry::ShapeError,
                        says("[lstm] input (2, 1, 2) must have shape (T, B, 3) (in encoder, inner, "
                             "cells 0)"));
}

BOOST_AUTO_TEST_CASE(have_a_longest_length) {
  LongName model{std::string(256, 'x'), {}};
  BOOST_TEST(names_of(model)[0].size() == 256u);
  model.name += 'x';
  BOOST_CHECK_EXCEPTION(parameters(model), tapestry::ArgumentError,
                        says("[visit] the name of a part is longer than 256 characters"));
  std::vector<LongName> list(1, LongName{std::string(254, 'x'), {}});
  BOOST_TEST(names_of(list)[0].size() == 256u);
  list[0].name += 'x';
  BOOST_CHECK_THROW(parameters(list), tapestry::ArgumentError);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(walks)

BOOST_AUTO_TEST_CASE(parents_first) {
  Block block;
  std::string seen;
  tapestry::for_each_part(block, [&](std::string_view path, auto& part) {
    using Part = std::remove_cvref_t<decltype(part)>;
    seen += std::string(path) + (std::is_same_v<Part, Parameter<float>> ? "!" : "") + " ";
  });
  BOOST_TEST(seen == " in in.weight! in.bias! out out.weight! gain! ");
}

BOOST_AUTO_TEST_CASE(of_lists_layers_and_parameters) {
  std::vector<Linear<>> list(2, Linear<>(1, 1));
  BOOST_TEST(names_of(list)[3] == "1.bias");
  Parameter<float> parameter(sample<float>({2}), "own");
  BOOST_TEST(parameters(parameter)[0] == &parameter);
  BOOST_TEST(parameter.name() == "own");
}

BOOST_AUTO_TEST_CASE(scalar_types) {
  Recurrent with_type;
  static_assert(std::is_same_v<decltype(parameters(with_type)), tapestry::ParameterList<double>>);
  BOOST_TEST(parameters(with_type).size() == 17u);
  OnlyFloatNames without;
  BOOST_TEST(parameters<double>(without).size() == 2u);
  BOOST_TEST(named_parameters<double>(without)[1].first == "head.bias");
  Linear<double> layer(1, 1);
  static_assert(std::is_same_v<decltype(parameters(layer)), tapestry::ParameterList<double>>);
}

BOOST_AUTO_TEST_CASE(counts) {
  Block block;
  BOOST_TEST(tapestry::count_parameters(block) == 6u + 3u + 6u + 2u);
  block.in.weight().set_requires_grad(false);
  BOOST_TEST(tapestry::count_parameters(block) == 3u + 6u + 2u);
  BOOST_TEST(parameters(block).size() == 4u);  // frozen ones are still part of the model
}

BOOST_AUTO_TEST_CASE(modes) {
  Recurrent model;
  const auto modes = [&] {
    return std::vector<bool>{model.embed.training(), model.inner.cells[0].training(),
                             model.inner.cells[1].training()};
  };
  BOOST_TEST(modes() == std::vector<bool>(3, true));
  tapestry::eval(model);
  BOOST_TEST(modes() == std::vector<bool>(3, false));
  tapestry::train(model.inner);
  BOOST_TEST(modes() == (std::vector<bool>{false, true, true}));
  tapestry::set_training(model, false);
  BOOST_TEST(modes() == std::vector<bool>(3, false));
}

BOOST_AUTO_TEST_CASE(cost_nothing_once_named) {
  Recurrent model;
  const auto first = parameters(model);
  const std::size_t before = allocations();
  const auto second = parameters(model);
  BOOST_TEST(allocations() == before);
  BOOST_TEST(second.size() == first.size());
}

BOOST_AUTO_TEST_CASE(shared_parameters_come_twice) {  // tied weights: an optimizer refuses them
  Parameter<float> w(sample<float>({2}));
  Twins model{&w};
  const auto list = parameters(model);
  BOOST_TEST(list.size() == 2u);
  BOOST_TEST(list[0] == list[1]);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(copies)

BOOST_AUTO_TEST_CASE(are_independent) {
  Recurrent model;
  parameters(model);
  Recurrent copy = model;
  const auto originals = parameters(model), copies = parameters(copy);
  BOOST_REQUIRE(copies.size() == originals.size());
  for (std::size_t i = 0; i < copies.size(); ++i) {
    BOOST_TEST(copies[i] != originals[i]);
    BOOST_TEST(copies[i]->name() == originals[i]->name());
    BOOST_TEST(max_difference(copies[i]->value(), originals[i]->value()) == 0.0);
  }
  tapestry::eval(copy);
  BOOST_TEST(model.inner.cells[0].training());

  const Array<double> x = sample<double>({3, 2, 3});
  const auto run = [&](LSTM<double>& lstm) {
    Tape<double> tape;
    const auto output = lstm(tape.constant(x)).output;
    sum(output).backward();
    return Array<double>(output.value());
  };
  tapestry::eval(model);
  const Array<double> before = run(model.inner.cells[0]);
  BOOST_TEST(!copy.inner.cells[0].weights(0).weight_ih.has_grad());
  BOOST_TEST(max_difference(run(copy.inner.cells[0]), before) == 0.0);
  for (auto* parameter : copies) parameter->value().fill(0);
  BOOST_TEST(max_difference(run(copy.inner.cells[0]), zeros<double>({3, 2, 3})) == 0.0);
  BOOST_TEST(max_difference(run(model.inner.cells[0]), before) == 0.0);

  copy = model;
  BOOST_TEST(max_difference(run(copy.inner.cells[0]), before) == 0.0);
}

BOOST_AUTO_TEST_CASE(moved_models_keep_their_storage) {
  Recurrent model;
  const double* weights = model.inner.cells[0].weights(0).weight_hh.value().data();
  Recurrent moved = std::move(model);
  BOOST_TEST(moved.inner.cells[0].weights(0).weight_hh.value().data() == weights);
  BOOST_TEST(parameters(moved).size() == 17u);
}

BOOST_AUTO_TEST_SUITE_END()
