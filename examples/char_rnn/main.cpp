// SPDX-License-Identifier: MIT
// Trains a recurrent model on any text, writes more text in its style, shows what its cells do and
// draws its graph.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <tapestry/autodiff/utf8.hpp>
#include <vector>

#include "checks.hpp"
#include "commands.hpp"
#include "guards.hpp"
#include "option_list.hpp"
#include "trainer.hpp"

namespace {

template <class Value>
CLI::Option* add(CLI::App* app, const std::string& name, Value& value, const std::string& text) {
  return app->add_option(name, value, text)->capture_default_str();
}

CLI::Validator rule(const Check& check) {
  return {[=](const std::string& text) { return check.complaint(text); }, check.help};
}

CLI::Option* add_option(CLI::App* app, const OptionText& text, auto& value, const Check& check) {
  return add(app, text.flag, value, text.help)->check(rule(check))->group(text.group);
}
CLI::Option* add_option(CLI::App* app, const OptionText& text, tapestry::data::Unit& unit,
                        const Check& check) {
  const auto set = [&unit](const std::string& name) {
    unit = name == "word" ? tapestry::data::Unit::word : tapestry::data::Unit::character;
  };
  return app->add_option_function<std::string>(text.flag, set, text.help)
      ->check(rule(check))
      ->default_str("character")
      ->group(text.group);
}

void add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Learns a text");
  const auto o = std::make_shared<CharRnnOptions>();
  const auto run = std::make_shared<RunOptions>();
  CLI::Option* text = command->add_option("--text", o->text, "what is learned: a file in UTF-8");
  add(command, "--output", run->output,
      "folder for checkpoints, metrics and the picture of losses");
  CLI::Option* resume = command->add_flag(
      "--resume", run->resume, "go on with the run in the folder, by the options it began with");
  command->add_flag("--overwrite", run->overwrite, "begin anew where there is a run already")
      ->excludes(resume);
  add(command, "--seconds", run->seconds, "stop after this time, to be resumed; 0: at the end")
      ->check(rule(not_negative()));
  add(command, "--threads", run->threads, "that compute; the results do not depend on them")
      ->check(rule(whole(1)));
  std::vector<const CLI::Option*> of_run;
  for_each_option(*o, [&](const OptionText& option, auto& value, const Check& check) {
    of_run.push_back(add_option(command, option, value, check));
  });
  command->callback([=] {
    if (!run->resume && text->count() == 0) throw CLI::RequiredError("--text");
    for (const CLI::Option* option : of_run)
      if (run->resume && option->count() > 0)
        throw CLI::ValidationError(option->get_name(),
                                   "a run is resumed by the options it began with");
    train(*o, *run);
  });
}

CLI::Option* add_checkpoint(CLI::App* command, std::string& checkpoint) {
  return command->add_option("checkpoint", checkpoint, "such as run/best.safetensors")->required();
}

void add_sample(CLI::App& app) {
  CLI::App* command = app.add_subcommand("sample", "Writes text in the style of what was learned");
  const auto o = std::make_shared<SampleOptions>();
  add_checkpoint(command, o->checkpoint);
  add(command, "--prime", o->prime, "the text begins so");
  add(command, "--length", o->length, "characters or words that follow; 0: without end")
      ->check(rule(whole()));
  CLI::Option* temperature = add(command, "--temperature", o->temperature,
                                 "below 1 more like the text, 0 always the likeliest")
                                 ->check(rule(not_negative()));
  CLI::Option* top_k =
      add(command, "--top-k", o->top_k, "draw from the k likeliest only; 0: from all")
          ->check(rule(whole()));
  CLI::Option* top_p = add(command, "--top-p", o->top_p,
                           "draw from the likeliest that have this probability together")
                           ->check(rule(positive_share()));
  CLI::Option* seed = command->add_option("--seed", o->seed, "of the draws [that of training]")
                          ->check(rule(whole()));
  CLI::Option* beam =
      add(command, "--beam", o->beam, "search the likeliest text with a beam of this width instead")
          ->check(rule(whole()));
  for (CLI::Option* of_draws : {temperature, top_k, top_p, seed}) beam->excludes(of_draws);
  command->callback([=] { sample(*o); });
}

void add_inspect(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "Shows which text makes a cell fire");
  const auto o = std::make_shared<InspectOptions>();
  add_checkpoint(command, o->checkpoint);
  command->add_option("--text", o->text, "a file to read");
  command->add_option("--prime", o->prime, "or the text itself");
  add(command, "--length", o->length, "tokens of the file that are read")->check(rule(whole(1)));
  command->add_option("--layer", o->layer, "recurrent layer, from 0 [the last]")
      ->check(rule(whole()));
  add(command, "--gate", o->gate, "h; of an LSTM also c, i, f, g, o; of a GRU also r, z, n");
  command
      ->add_option("--unit", o->units, "units to show, and to list the places where they fire: 3,5")
      ->check(rule(whole()))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  add(command, "--output", o->output, "the page, which has all units on a slider at its end");
  command->callback([=] { inspect(*o); });
}

void add_graph(CLI::App& app) {
  CLI::App* command = app.add_subcommand("graph", "Draws the graph of the model");
  const auto o = std::make_shared<GraphOptions>();
  add_checkpoint(command, o->checkpoint);
  add(command, "--steps", o->steps, "time steps; with many of them, --roll shows more")
      ->check(rule(whole(1)));
  command->add_option("--prime", o->prime, "text that the model reads, one token more than steps");
  command->add_flag("--values", o->values, "print values");
  command->add_flag("--gradients", o->gradients, "print gradients of the loss");
  command->add_flag("--inside", o->inside, "draw all that fused ops stand for");
  command->add_flag("--roll", o->roll, "draw steps that repeat each other once, of four or more");
  add(command, "--output", o->output, "the DOT file; the SVG stands beside it");
  command->callback([=] { graph(*o); });
}

/// On one line, without what a file may have in store for a terminal.
int fail(std::string reason) {
  std::cout.flush();
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  std::cerr << "char_rnn: " << tapestry::utf8::harmless(reason) << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Character and word models: trains a recurrent network on a text, writes more of it, shows\n"
      "what its cells do, and draws its graph.\n\n"
      "  char_rnn train --text shakespeare.txt --output run\n"
      "  char_rnn sample run/best.safetensors --prime \"To be\"\n"
      "  char_rnn inspect run/best.safetensors --text shakespeare.txt\n"
      "  char_rnn graph run/best.safetensors");
  app.name("char_rnn");
  app.require_subcommand(1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  add_train(app);
  add_sample(app);
  add_inspect(app);
  add_graph(app);
  go_on_when_writing_fails();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::bad_alloc&) {
    return fail("there is not enough memory for a model or text of this size");
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}
