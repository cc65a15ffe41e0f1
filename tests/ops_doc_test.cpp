// SPDX-License-Identifier: MIT
// docs/ops.md, written from what the ops say about themselves and from what their gradient rules
// record. To write it anew, run this test once with TAPESTRY_UPDATE_GOLDEN=1 in the environment.
#define BOOST_TEST_MODULE ops_doc
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "gradient_formula.hpp"
#include "op_table/all.hpp"
#include "tapestry/layers.hpp"

namespace tapestry::test {
namespace {

const char* const introduction =
    R"(# All ops

The program `tests/ops_doc_test.cpp` writes this page, and fails as a test when the page is not current.
Names and formulas are what the ops say about themselves, in `autodiff/src/ops/`. For the gradients, the
program runs each gradient rule once on small arrays, and prints the ops that the rule *records*. In a
formula, `g` is the gradient of the loss with respect to the result `y`. The input is `x`, or the inputs are
`a`, `b`, `c`; then `d_a` is the gradient with respect to `a`. Axes and constants are those of the example.
A result that lost axes is broadcast back to the shape of its input, and the engine sums a gradient over the
axes along which its input was broadcast.

Since the rules record ops of this very table, every gradient can be differentiated again: "any" order
means that the recorded gradient was found to depend on `g` through ops with gradients.
`tests/ops_test.cpp` checks value, gradient and second derivative of each line.

Some functions are not in the table. These are compositions of the ops in it: `expand_dims`, `squeeze`,
`moveaxis`, `swapaxes`, `select`, `gather`, `scatter_add`, `einsum`, `dot`, `outer`, `repeat`, `tile`,
`dropout`, and the losses. These have no gradient at all: `stop_gradient`, `one_hot`, `argmax`, `argmin`.

| op | value | shapes | gradient | order |
|---|---|---|---|---|
)";

const char* const fused_introduction = R"(
## Fused ops of the layers

A layer records one of these ops where it can: see `fuses()` in `layers/include/tapestry/layers/recurrent.hpp`.
Each has a definition in the ops above. Drawings show the definition, a tape in primitive mode records it, and
second and higher derivatives are computed from it. `tests/fused_ops_test.cpp` compares value and gradient of
each op with its definition. An input that a layer does not have, such as biases or a given state, is left out.

| op | value | shapes |
|---|---|---|
)";

/// Those are not among the functions of a variable, which the table of cases covers.
bool is_of_the_layers(const OpDescription& op) {
  return op.fused &&
         (op.name == "linear" || op.name == "standardise" || op.name.ends_with("_sequence"));
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) result += c == '|' ? "\\|" : std::string(1, c);
  return result;
}

std::string line_of(const OpDescription& op, const OpGradient& gradient) {
  std::string formulas;
  for (const std::string& formula : gradient.formulas)
    formulas += (formulas.empty() ? "`" : "<br>`") + formula + "`";
  return "| `" + op.name + "` | " + escaped(op.formula) + " | " + escaped(op.shapes) + " | " +
         (formulas.empty() ? "none" : escaped(formulas)) + " | " +
         (formulas.empty()   ? "-"
          : gradient.repeats ? "any"
                             : "first") +
         " |\n";
}

std::string page() {
  // Only ops of what a program uses are known to it.
  const layers::LSTM<> lstm({.input_size = 1, .hidden_size = 1});
  const layers::GRU<> gru({.input_size = 1, .hidden_size = 1});
  const layers::RNN<> rnn({.input_size = 1, .hidden_size = 1});
  const layers::Linear<> linear(1, 1);
  std::string text = introduction;
  std::string fused = fused_introduction;
  for (const OpDescription& op : registered_ops()) {
    BOOST_TEST(!op.formula.empty(), op.name << " does not say what it computes");
    BOOST_TEST(!op.shapes.empty(), op.name << " does not say its shapes");
    if (is_of_the_layers(op))
      fused += "| `" + op.name + "` | " + escaped(op.formula) + " | " + escaped(op.shapes) + " |\n";
    else
      text += line_of(op, gradient_of_op(op.name, op_table()));
  }
  return text + fused;
}

BOOST_AUTO_TEST_CASE(the_page_names_every_function) {
  const std::string text = page();
  const std::regex declared(R"(\n(?:Variable<T>|Indices|std::vector<Variable<T>>) (\w+)\()");
  const auto folder =
      std::filesystem::path(TAPESTRY_TEST_DIR) / "../autodiff/include/tapestry/autodiff/ops";
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    // Losses are made of ops; beside.hpp has no function for users.
    if (file.path().filename() == "losses.hpp" || file.path().filename() == "beside.hpp") continue;
    std::stringstream content;
    content << std::ifstream(file.path()).rdbuf();
    const std::string header = content.str();
    for (std::sregex_iterator f(header.begin(), header.end(), declared), end; f != end; ++f) {
      ++count;
      const std::string name = (*f)[1];
      if (name != "operator") BOOST_TEST(text.find("`" + name + "`") != std::string::npos, name);
    }
  }
  BOOST_TEST(count > 60u);  // the headers were found
}

BOOST_AUTO_TEST_CASE(the_page_of_all_ops_is_current) {
  const std::string path = std::string(TAPESTRY_TEST_DIR) + "/../docs/ops.md";
  const std::string current = page();
  if (std::getenv("TAPESTRY_UPDATE_GOLDEN")) std::ofstream(path, std::ios::binary) << current;
  std::stringstream written;
  written << std::ifstream(path, std::ios::binary).rdbuf();
  BOOST_TEST(written.str() == current);
}

}  // namespace
}  // namespace tapestry::test
