// SPDX-License-Identifier: MIT
#pragma once

#include <tapestry/autodiff.hpp>
#include <tapestry/layers.hpp>

#include <cstddef>
#include <string>
#include <variant>

#include "options.hpp"

/// What the recurrent layers of a model remember; which member depends on the cell.
struct Carry {
  tapestry::layers::HiddenCarry<float> hidden;
  tapestry::layers::CellCarry<float> cell;

  auto& of(const tapestry::layers::LSTM<>&) { return cell; }
  auto& of(const auto&) { return hidden; }
  void visit(auto&& part) {
    part("hidden", hidden);
    part("cell", cell);
  }
};

/// tokens (T, B) -> embedding -> recurrent layers -> head -> logits (T, B, V) for the tokens that
/// follow.
struct CharModel {
  tapestry::layers::Embedding<> embed;
  std::variant<tapestry::layers::RNN<>, tapestry::layers::LSTM<>, tapestry::layers::GRU<>> cells;
  tapestry::layers::Dropout<> dropout;
  tapestry::layers::Linear<> head;

  CharModel(const ModelOptions& options, std::size_t vocabulary);

  void visit(auto&& part) {
    part("embed", embed);
    std::visit([&](auto& layer) { part(name_of(layer), layer); }, cells);
    part("dropout", dropout);
    part("head", head);
  }

  /// The logits of tokens (T, B). `carry` is the state before them and becomes that after them.
  tapestry::Variable<> logits(tapestry::Tape<>& tape, const tapestry::Indices& tokens,
                              Carry& carry);

 private:
  static const char* name_of(const tapestry::layers::RNN<>&) { return "rnn"; }
  static const char* name_of(const tapestry::layers::LSTM<>&) { return "lstm"; }
  static const char* name_of(const tapestry::layers::GRU<>&) { return "gru"; }
};
