// SPDX-License-Identifier: MIT
// All that shapes a model and its training, in one list: what the command line takes, and what a
// checkpoint holds and is held to. So neither says what the other would refuse.
#pragma once

#include "checks.hpp"
#include "options.hpp"

/// An option: its name on the command line and in a checkpoint, and what help says of it.
struct OptionText {
  const char* flag;
  const char* place;  ///< a pointer into the JSON of the options
  const char* help;
  const char* group;
};

/// Calls `option(text, value, check)` for each of them but the text that is learned.
void for_each_option(auto& o, auto&& option) {
  const char *text = "Text", *model = "Model", *training = "Training";
  option(OptionText{"--unit", "/tokens/unit", "what a token is", text}, o.tokens.unit,
         one_of({"character", "word"}));
  option(OptionText{"--min-count", "/tokens/min_count", "rarer characters or words become <unk>",
                    text},
         o.tokens.min_count, whole(1));
  option(OptionText{"--max-vocabulary", "/tokens/max_vocabulary",
                    "keep the most frequent ones, the others become <unk>; 0: all", text},
         o.tokens.max_vocabulary, whole());
  option(OptionText{"--validation", "/validation",
                    "share of the text, at its end, that is held out; of a large one 500,000 "
                    "tokens are read",
                    text},
         o.validation, share(0.9));

  option(OptionText{"--cell", "/model/cell", "kind of recurrent layer", model}, o.model.cell,
         one_of({"rnn", "lstm", "gru"}));
  option(OptionText{"--layers", "/model/layers", "recurrent layers", model}, o.model.layers,
         whole(1));
  option(OptionText{"--hidden", "/model/hidden", "units of a layer", model}, o.model.hidden,
         whole(1));
  option(OptionText{"--embedding", "/model/embedding", "numbers that stand for a token", model},
         o.model.embedding, whole(1));
  option(OptionText{"--dropout", "/model/dropout", "share of units that is left out in training",
                    model},
         o.model.dropout, share());

  option(OptionText{"--epochs", "/epochs", "times that the text is read", training}, o.epochs,
         whole(1));
  option(OptionText{"--steps", "/steps", "updates, instead of epochs", training}, o.steps, whole());
  option(OptionText{"--sequence", "/sequence", "tokens that a gradient goes back", training},
         o.sequence, whole(1));
  option(OptionText{"--batch", "/batch", "sequences in a step", training}, o.batch, whole(1));
  option(OptionText{"--optimizer", "/optimizer", "sgd is with a momentum of 0.9", training},
         o.optimizer, one_of({"adam", "adamw", "rmsprop", "adagrad", "sgd"}));
  option(OptionText{"--learning-rate", "/learning_rate", "the highest", training}, o.learning_rate,
         not_negative());
  option(OptionText{"--schedule", "/schedule/kind", "of the learning rate", training},
         o.schedule.kind, one_of({"constant", "step", "cosine"}));
  option(OptionText{"--warm-up", "/schedule/warm_up",
                    "steps in which the learning rate rises from zero", training},
         o.schedule.warm_up, whole());
  option(OptionText{"--decay-every", "/schedule/decay_every",
                    "steps, for the schedule 'step'; 0: a tenth", training},
         o.schedule.decay_every, whole());
  option(
      OptionText{"--decay-factor", "/schedule/decay_factor", "for the schedule 'step'", training},
      o.schedule.decay_factor, share());
  option(OptionText{"--weight-decay", "/weight_decay", "of matrices, not of biases", training},
         o.weight_decay, not_negative());
  option(OptionText{"--clip", "/clip", "largest norm of the gradient; 0: any", training}, o.clip,
         not_negative());
  option(OptionText{"--evaluate-every", "/evaluate_every",
                    "steps between evaluations; 0: an epoch, from 10 to 1000 steps", training},
         o.evaluate_every, whole());
  option(OptionText{"--patience", "/patience",
                    "evaluations without a gain before it stops; 0: goes on", training},
         o.patience, whole());
  option(OptionText{"--seed", "/seed", "of all random numbers", training}, o.seed, whole());
}
