// SPDX-License-Identifier: MIT
// A bundle is a model together with everything that its training needs to go on. It is saved and
// loaded as one thing:
//
//   Bundle run = bundle(model, adam, default_generator(), named("step", step),
//                       named("batches", batches), named("carry", carry));
//   if (resume) load(run, "run.safetensors");
//   for (; step < 1000; ++step) { ...; if (step % 100 == 0) save(run, "run.safetensors"); }
//
// A run that is resumed in this way has bit for bit the losses of a run that never stopped.
#pragma once

#include <tuple>
#include <utility>

namespace tapestry {

/// A part of a bundle and its name in the file.
template <class Part>
struct NamedPart {
  const char* name;
  Part& part;
};

/// Names a part of a bundle. `name` must outlive the bundle, as a literal does.
template <class Part>
NamedPart<Part> named(const char* name, Part& part) {
  return {name, part};
}

/// A model with other parts beside it. A bundle refers to its parts and owns nothing, so all parts
/// must outlive it. `save`, `load`, `save_npz` and `load_npz` take it like any other model. It can
/// be neither copied nor moved, since a copy would refer to the old parts: make it where you use
/// it.
template <class Model, class... Parts>
class Bundle {
 public:
  explicit Bundle(Model& model, const NamedPart<Parts>&... parts)
      : model_(model), parts_(parts...) {}
  Bundle(const Bundle&) = delete;
  Bundle& operator=(const Bundle&) = delete;

  /// Shows the parts of the model under their own names, and the other parts under theirs.
  void visit(auto&& part) {
    part("", model_);
    std::apply([&](const auto&... named) { (part(named.name, named.part), ...); }, parts_);
  }

 private:
  Model& model_;
  std::tuple<NamedPart<Parts>...> parts_;
};

namespace detail {

template <class Part>
NamedPart<Part> as_named(const NamedPart<Part>& part) {
  return part;
}
template <class Part>
requires requires { Part::part_name; }
NamedPart<Part> as_named(Part& part) { return {Part::part_name, part}; }

}  // namespace detail

/// Bundles a model with optimizers ("optimizer"), schedulers of learning rates ("scheduler"),
/// generators ("generator"), and anything else that is given with a name: `named("step", step)` for
/// numbers (float, double, integers of 32 and 64 bits), `named("h", carry.h)` for an Array, and any
/// struct with `visit`. Two optimizers need names too, otherwise both would be called "optimizer".
///
/// In the file, the model's tensors have the same names as without the bundle. So PyTorch only has
/// to leave out the rest:
///
///   with safetensors.safe_open("run.safetensors", framework="pt") as f:
///       module.load_state_dict({k: f.get_tensor(k) for k in module.state_dict()})
///
/// and `load(model, path, {.ignore_surplus = true})` leaves it out too. The rest has these names:
///
///   optimizer.Adam.learning_rate          F64 (1,); of further groups, learning_rate.1 and so on
///   optimizer.Adam.step.<parameter>       U64 ()
///   optimizer.Adam.exp_avg.<parameter>    as the parameter; exp_avg_sq, momentum_buffer alike
///   scheduler.steps                       U64 (); see LRScheduler
///   generator                             U64 (315,): see Generator::State
///
/// The file holds an optimizer's memories and its learning rate. Its other options are those with
/// which you made it. An array of shape (0), as in a carry that holds no state yet, takes the shape
/// that it has in the file; any other array must have this shape already.
template <class Model, class... Parts>
auto bundle(Model& model, Parts&&... parts) {
  return Bundle(model, detail::as_named(parts)...);
}

}  // namespace tapestry
