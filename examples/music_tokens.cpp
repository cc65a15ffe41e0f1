// SPDX-License-Identifier: MIT
// Several integers at each step as one token ("Neural iPad Band" of "Deep Dive on RNNs"): a note is
// its pitch, duration and velocity, encoded as one number that keeps their order, so that a model
// of tokens makes music. In the document the integers of a step are one for each performer of the
// band; here they are the three of one note, and the encoding is the same. Whatever the model draws
// is END or exactly one note.
#include <tapestry/tapestry.hpp>

#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "claims.hpp"
#include "draw_curves.hpp"
#include "text.hpp"
#include "token_model.hpp"
#include "training.hpp"

namespace tp = tapestry;

namespace {

struct Note {
  std::int64_t pitch = 0;     // step of the scale, 0 to 13: two octaves
  std::int64_t duration = 0;  // 0: quaver, 1: crotchet, 2: minim
  std::int64_t velocity = 0;  // 0: soft, 1: medium, 2: loud

  auto operator<=>(const Note&) const = default;
};

const tp::data::MixedRadix radix({14, 3, 3});

std::int64_t token_of(const Note& note) {
  return radix.encode({note.pitch, note.duration, note.velocity});
}

Note note_of(std::int64_t token) {
  const auto digits = radix.decode(token);
  return {digits[0], digits[1], digits[2]};
}

/// The rule of the melodies: a bar is a loud crotchet and two soft quavers ...
Note in_bar(std::int64_t pitch, std::size_t place) {
  return place % 3 == 0 ? Note{pitch, 1, 2} : Note{pitch, 0, 0};
}

/// ... and the pitch moves by one or two steps.
std::vector<std::int64_t> draw_melody(tp::Generator& random) {
  std::vector<std::int64_t> tokens;
  auto pitch = static_cast<std::int64_t>(4 + random.below(6));
  for (std::size_t place = 0; place < 12; ++place) {
    tokens.push_back(token_of(in_bar(pitch, place)));
    const auto move = static_cast<std::int64_t>(1 + random.below(2));
    const bool up = pitch < 2 || (pitch < 12 && random.below(2) == 1);
    pitch += up ? move : -move;
  }
  return tokens;
}

/// The share of notes that follow the rule.
double share_that_follows(const Sequences& melodies) {
  std::size_t right = 0;
  std::size_t count = 0;
  for (const auto& melody : melodies)
    for (std::size_t k = 0; k < melody.size(); ++k, ++count) {
      const Note note = note_of(melody[k]);
      const std::int64_t move = k == 0 ? 1 : std::abs(note.pitch - note_of(melody[k - 1]).pitch);
      right += note == in_bar(note.pitch, k) && move >= 1 && move <= 2;
    }
  return static_cast<double>(right) / static_cast<double>(count);
}

void show_encoding(Claims& claims) {
  for (const Note& note : {Note{0, 0, 1}, Note{7, 1, 2}, Note{13, 2, 2}})
    std::cout << "pitch " << note.pitch << ", duration " << note.duration << ", velocity "
              << note.velocity << " is token " << token_of(note) << '\n';
  bool exact = true;
  for (std::int64_t token = 0; token < radix.tokens(); ++token) {
    exact &= token_of(note_of(token)) == token;
    exact &= token == 0 || note_of(token - 1) < note_of(token);
  }
  claims.check(exact, "each of the " + std::to_string(radix.tokens()) +
                          " tokens is one note, and they are in the order of notes");
}

void run(const TrainingOptions& options) {
  Claims claims;
  show_encoding(claims);
  const std::int64_t end = radix.tokens();  // may be drawn besides the notes
  const std::int64_t start = end + 1;       // is only read
  tp::seed(options.seed);
  tp::Generator random(options.seed);
  TokenModel<tp::layers::LSTM<>> model(
      static_cast<std::size_t>(end + 2),
      tp::layers::LSTMOptions{.input_size = 32, .hidden_size = options.hidden},
      static_cast<std::size_t>(end + 1));
  tp::optim::Adam adam(tp::parameters(model), {.learning_rate = options.learning_rate});
  tp::Tape tape;
  const auto compose = [&] {
    Sequences melodies;
    for (std::size_t i = 0; i < 100; ++i)
      melodies.push_back(write(model, start, end, 24, 1.0, random));
    return melodies;
  };
  const double before = share_that_follows(compose());
  for (std::size_t step = 0; step < options.steps; ++step) {
    Sequences melodies(options.batch);
    for (auto& melody : melodies) {
      melody = draw_melody(random);
      melody.push_back(end);
    }
    tape.clear();
    update(loss_of(model, tape, one_batch(melodies), start), adam);
  }
  const Sequences melodies = compose();
  const double after = share_that_follows(melodies);
  std::cout << "Notes that follow the rule: " << fixed(100 * before, 0) << " % before training, "
            << fixed(100 * after, 0) << " % after\n";
  std::vector<tp::Curve> lines;
  for (std::size_t i = 0; i < 3; ++i) {
    lines.push_back({.name = "melody " + std::to_string(i + 1)});
    std::cout << "Melody " << i + 1 << ':';
    for (const std::int64_t token : melodies[i]) {
      const Note note = note_of(token);
      std::cout << ' ' << "cdefgab"[note.pitch % 7] << (note.pitch < 7 ? "" : "'")
                << (note.velocity == 2 ? "!" : "") << (note.duration == 0 ? "" : "-");
      lines.back().x.push_back(static_cast<double>(lines.back().x.size()));
      lines.back().y.push_back(static_cast<double>(note.pitch));
    }
    std::cout << '\n';
  }
  std::cout << "(!: loud, -: a crotchet or longer)\n";
  draw_curves(
      lines, "music_tokens.svg",
      {.title = "Melodies by the model", .x_label = "note", .y_label = "step of the scale"});
  claims.check(before < 0.2 && after > 0.9, "it has learned the rule of the melodies");
  claims.settle();
}

}  // namespace

int main(int argc, char** argv) {
  return run_example(argc, argv, "Notes of three integers as single tokens, and melodies of them.",
                     {.steps = 400, .batch = 32, .hidden = 64, .learning_rate = 5e-3}, run);
}
