// SPDX-License-Identifier: MIT
// Weights go both ways between this library and PyTorch: files that PyTorch and NumPy made, which
// are committed, and, where PyTorch is installed, files made and read on the spot.
#define BOOST_TEST_MODULE interchange
#include <boost/test/unit_test.hpp>
#include <string>
#include <tuple>
#include <type_traits>

#include "files.hpp"
#include "python.hpp"
#include "reference.hpp"
#include "tapestry/autodiff/ops.hpp"
#include "tapestry/autodiff/random.hpp"
#include "tapestry/layers.hpp"

namespace tp = tapestry;
using tp::Array;
using tp::test::max_difference;
using tp::test::Reference;
using tp::test::ReferenceCase;
using tp::test::TemporaryFolder;

namespace {

using Layers = std::tuple<tp::layers::LSTM<float>, tp::layers::LSTM<double>, tp::layers::GRU<float>,
                          tp::layers::GRU<double>, tp::layers::RNN<float>, tp::layers::RNN<double>>;

template <class Layer>
using Scalar = typename Layer::value_type;

template <class Layer>
constexpr bool is_float = std::is_same_v<Scalar<Layer>, float>;

/// As in torch.nn and in the names of the files.
template <class T>
const char* kind(const tp::layers::LSTM<T>&) {
  return "lstm";
}
template <class T>
const char* kind(const tp::layers::GRU<T>&) {
  return "gru";
}
template <class T>
const char* kind(const tp::layers::RNN<T>&) {
  return "rnn";
}

/// The LSTM reads both ways, as that of the committed files.
template <class Layer>
constexpr bool both_directions = std::is_same_v<Layer, tp::layers::LSTM<Scalar<Layer>>>;

template <class Layer>
Layer make_layer() {
  return Layer({.input_size = 3,
                .hidden_size = 4,
                .num_layers = 2,
                .bidirectional = both_directions<Layer>});
}

template <class Layer>
Array<Scalar<Layer>> output_of(Layer& layer, const Array<Scalar<Layer>>& x) {
  tp::Tape<Scalar<Layer>> tape;
  const auto [output, state] = layer(tape.constant(x));
  return output.value();
}

template <class Layer>
constexpr double tolerance = is_float<Layer> ? 1e-6 : 1e-14;

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(committed_files_load, Layer, Layers) {
  const std::string name =
      std::string(kind(make_layer<Layer>())) + (is_float<Layer> ? "_float32" : "_float64");
  const ReferenceCase reference = Reference("interchange.json")[name];
  const std::string file = Reference::path(reference.option<std::string>("file", ""));
  for (const bool npz : {false, true}) {
    Layer layer = make_layer<Layer>();
    if (npz)
      tp::load_npz(layer, file + ".npz");
    else
      tp::load(layer, file + ".safetensors");
    const auto parameters = tp::named_parameters(layer);
    BOOST_TEST(parameters.size() == (both_directions<Layer> ? 16u : 8u));
    for (const auto& [key, parameter] : parameters)
      BOOST_TEST(max_difference(parameter->value(), reference.array<Scalar<Layer>>(key)) == 0, key);
    const auto output = output_of(layer, reference.array<Scalar<Layer>>("input"));
    BOOST_TEST(max_difference(output, reference.array("output")) < tolerance<Layer>);
  }
}

// We save a layer, PyTorch loads and runs it; PyTorch saves another, we load and run it. The inputs
// and outputs travel in the same files.
BOOST_AUTO_TEST_SUITE(live, *tp::test::needs_python("torch, numpy"))

BOOST_AUTO_TEST_CASE_TEMPLATE(both_ways, Layer, Layers) {
  using T = Scalar<Layer>;
  const TemporaryFolder folder;
  tp::seed(5);
  Layer layer = make_layer<Layer>();
  Array<T> x = Array<T>::from_shape({6, 2, 3});
  for (T& value : x) value = static_cast<T>(tp::default_generator().normal());
  Array<T> output = output_of(layer, x);
  const auto travellers = [](Layer& module, Array<T>& input, Array<T>& result) {
    return tp::bundle(module, tp::named("input", input), tp::named("output", result));
  };
  tp::save(travellers(layer, x, output), folder / "ours.safetensors");
  tp::save_npz(travellers(layer, x, output), folder / "ours.npz");

  tp::test::run_python(folder, "kind, dtype = '" + std::string(kind(layer)) + "', '" +
                                   (is_float<Layer> ? "F32" : "F64") + "'\n" + R"(
import json, struct
import numpy as np
import torch

numpy_type = {"F32": np.float32, "F64": np.float64}[dtype]
tolerance = {"F32": 1e-6, "F64": 1e-14}[dtype]
module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[kind]

def read_safetensors(path):
    data = open(path, "rb").read()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:end]).items():
        assert entry["dtype"] == dtype
        begin, stop = entry["data_offsets"]
        numbers = np.frombuffer(data[end + begin:end + stop], numpy_type)
        tensors[name] = numbers.reshape(entry["shape"])
    return tensors

def write_safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        raw = tensor.numpy().tobytes()
        header[name] = dict(dtype=dtype, shape=list(tensor.shape),
                            data_offsets=[len(data), len(data) + len(raw)])
        data += raw
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)

def make():
    return module(3, 4, num_layers=2, bidirectional=kind == "lstm").to(torch.from_numpy(np.zeros(1, numpy_type)).dtype)

with torch.no_grad():
    for tensors in read_safetensors("ours.safetensors"), dict(np.load("ours.npz")):
        tensors = {name: torch.from_numpy(tensor.copy()) for name, tensor in tensors.items()}
        x, expected = tensors.pop("input"), tensors.pop("output")
        ours = make()
        ours.load_state_dict(tensors, strict=True)
        assert (ours(x)[0] - expected).abs().max() < tolerance
    theirs = make()
    tensors = dict(theirs.state_dict()) | {"input": x, "output": theirs(x)[0]}
    write_safetensors("theirs.safetensors", tensors)
    np.savez("theirs.npz", **{name: tensor.numpy() for name, tensor in tensors.items()})
)");

  for (const bool npz : {false, true}) {
    Layer other = make_layer<Layer>();
    auto parts = travellers(other, x, output);
    if (npz)
      tp::load_npz(parts, folder / "theirs.npz");
    else
      tp::load(parts, folder / "theirs.safetensors");
    BOOST_TEST(max_difference(output_of(other, x), output) < tolerance<Layer>);
  }
}

BOOST_AUTO_TEST_SUITE_END()
