// SPDX-License-Identifier: MIT
// Any bytes as the array "w" of an .npz file that is otherwise whole: the checksums of an archive
// would keep a fuzzer from what is within.
#include "fuzz_model.hpp"
#include "tapestry/layers/npz.hpp"
#include "zip.hpp"

using tapestry::LoadOptions;
using tapestry::detail::SavedParts;

namespace {

struct OneArray {
  tapestry::Array<float> w = tapestry::Array<float>::from_shape({0});
  void visit(auto&& part) { part("w", w); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> archive;
  const auto array = std::as_bytes(std::span(data, size));
  if (!tapestry::detail::make_zip({{"w.npy", "", array}}, archive).empty()) std::abort();

  OneArray model;
  try {
    tapestry::detail::read_npz(tapestry::detail::saved_parts(model), archive, "fuzz", {});
  } catch (const tapestry::FileError&) {
    if (model.w.dimension() != 1 || model.w.size() != 0) std::abort();
  }
  return 0;
}
