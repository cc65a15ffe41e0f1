// SPDX-License-Identifier: MIT
// A recurrent network that is a bigram model: section 2 of the CS187 lab 2-2 (Harvard 2024). With
// σ(z) = z, U = Tᵀ, V = 0 and W = 1, or U = 1, V = 0 and W = Tᵀ, the output after word i is row i
// of the table T, exactly.
#include <tapestry/tapestry.hpp>

#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

namespace tp = tapestry;

namespace {

bool all_agree = true;

/// The probability of a sequence of one-hot rows (N, V) after its first word, T(i, j) = Pr(j | i).
tp::Variable<double> sequence_probability(const tp::Variable<double>& sequence,
                                          const tp::Variable<double>& T) {
  const auto count = static_cast<std::int64_t>(sequence.shape()[0]);
  const auto before = slice(sequence, 0, 0, count - 1);
  const auto after = slice(sequence, 0, 1, count);
  return prod(sum(matmul(before, T) * after, {-1}));
}

/// 2.2: the two-word model with the equations of section 1.
void tiny(tp::Tape<double>& tape, const tp::Variable<double>& T) {
  const auto U = transpose(T).named("U");
  const auto V = tape.constant({{0.0, 0.0}, {0.0, 0.0}}, "V");
  const auto W = tape.constant({{1.0, 0.0}, {0.0, 1.0}}, "W");
  auto h = tape.constant({0.0, 0.0}, "h0");
  std::vector<tp::Variable<double>> outputs;
  std::cout << "2.2 Tiny bigram RNN: σ(z) = z, U = Tᵀ, V = 0, W = 1\n";
  for (const char word : std::string("abba")) {
    const auto step = tape.step(outputs.size() + 1);
    const auto x = one_hot(tape, tp::Indices(word - 'a'), 2).named("x");
    h = (matmul(U, x) + matmul(V, h)).named("h");
    const auto o = matmul(W, h).named("o");
    outputs.push_back(o);
    const bool row = o.value() == select(T, 0, word - 'a').value();
    all_agree = all_agree && row;
    std::cout << "  after " << word << ": o = " << o.value() << (row ? " is" : " is NOT")
              << " its row of T\n";
  }
  tp::save_dot(tp::snapshot(outputs, {.values = true}), "bigram_as_rnn.dot", {.values = true});
}

/// How often each word of a text follows each, as probabilities: (N, N).
tp::Array<double> bigram_table(const tp::Indices& tokens, std::size_t words) {
  auto table = tp::Array<double>::from_shape({words, words});
  table.fill(0);
  const auto place = [&](std::size_t t) { return static_cast<std::size_t>(tokens(t)); };
  for (std::size_t t = 0; t + 1 < tokens.size(); ++t) table(place(t), place(t + 1)) += 1;
  for (std::size_t i = 0; i < words; ++i) {
    double total = 0;
    for (std::size_t j = 0; j < words; ++j) total += table(i, j);
    for (std::size_t j = 0; j < words; ++j) table(i, j) /= total;
  }
  return table;
}

/// The same for any table, as a layer: U = 1, V = 0, W = Tᵀ, no offsets.
tp::layers::RNN<double> bigram_rnn(const tp::Array<double>& table) {
  const std::size_t words = table.shape()[0];
  tp::layers::RNN<double> rnn({.input_size = words,
                               .hidden_size = words,
                               .activation = tp::layers::Activation::identity,
                               .bias = false,
                               .output_size = words});
  rnn.weights(0).weight_ih.value() = xt::eye<double>(words);
  rnn.weights(0).weight_hh.value().fill(0);
  rnn.weight_ho().value() = xt::transpose(table);
  return rnn;
}

void general() {
  // A word holds the space before it; here the first one does, too.
  const std::string sentence = " the dog saw the cat and the cat and the dog saw the dog";
  const auto vocabulary = tp::data::Vocabulary::of_words(sentence);
  const tp::Indices tokens = vocabulary.encode(sentence);

  const std::size_t words = vocabulary.size();
  const auto table = bigram_table(tokens, words);
  auto rnn = bigram_rnn(table);
  tp::Tape<double> tape;
  const auto sequence = one_hot(tape, tokens, words);                    // (N, words)
  const auto output = squeeze(rnn(expand_dims(sequence, 1)).output, 1);  // the same shape
  std::cout << "2.3 General: σ(z) = z, U = 1, V = 0, W = Tᵀ, here for " << words
            << " words, T from\n  \"" << sentence.substr(1) << "\"\n  " << std::setw(10) << ' ';
  for (const std::string& word : vocabulary.symbols()) std::cout << std::setw(4) << word;
  std::cout << '\n';
  double probability = 1;
  bool rows = true;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    for (std::size_t j = 0; j < words; ++j)
      rows = rows && output.value()(t, j) == table(tokens(t), j);
    if (t + 1 < tokens.size()) probability *= output.value()(t, tokens(t + 1));
  }
  for (std::size_t i = 0; i < words; ++i) {
    std::cout << "  after" << std::setw(4) << vocabulary.symbols()[i] << ':';
    for (std::size_t j = 0; j < words; ++j) std::cout << std::setw(4) << table(i, j);
    std::cout << '\n';
  }
  std::cout << "  The outputs " << (rows ? "are" : "are NOT") << " exactly the rows of T.\n"
            << "  Probability of the sentence: "
            << sequence_probability(sequence, tape.constant(table)).item() << ", by the RNN "
            << probability << '\n';
  all_agree = all_agree && rows;
}

}  // namespace

int main() {
  tp::Tape<double> tape;
  const auto T = tape.constant({{0.7, 0.3}, {0.4, 0.6}}, "T");
  std::cout << "2.1 Bigram model over a, b. The scan has lost the table: ours is T = " << T.value()
            << '\n';
  const auto letters = tp::data::Vocabulary::of_characters("ab");
  for (const std::string text : {"aaaaaabbaa", "babbbabbb"})
    std::cout << "  Probability of " << text << ": " << std::fixed << std::setprecision(5)
              << sequence_probability(one_hot(tape, letters.encode(text), 2), T).item()
              << std::defaultfloat << '\n';
  tiny(tape, T);
  general();
  return all_agree ? EXIT_SUCCESS : EXIT_FAILURE;
}
