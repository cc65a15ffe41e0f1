// SPDX-License-Identifier: MIT
// Any bytes as an .npz file.
#include "fuzz_model.hpp"
#include "tapestry/layers/npz.hpp"

using tapestry::LoadOptions;
using tapestry::detail::SavedParts;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = std::as_bytes(std::span(data, size));
  tapestry::fuzz::load_whole_or_not_at_all(
      [&](const SavedParts& parts, const LoadOptions& options) {
        tapestry::detail::read_npz(parts, file, "fuzz", options);
      });
  return 0;
}
