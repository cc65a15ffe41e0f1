// SPDX-License-Identifier: MIT
// Models on disk, in the format of NumPy's numpy.savez: a zip archive that holds an array
// "name.npy" for each parameter
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
//
//   save_npz(model, "model.npz");         weights = numpy.load("model.npz")
//   load_npz(model, "model.npz");         numpy.savez("model.npz", **weights)
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "tapestry/layers/saved_part.hpp"

namespace tapestry {

namespace detail {

/// `save_npz` and `load_npz` for a list of parts.
void write_npz(const SavedParts& parts, const std::string& path);
void read_npz(const SavedParts& parts, const std::string& path, const LoadOptions& options);

/// `load_npz` for a file whose content is in memory; errors call it `name`.
void read_npz(const SavedParts& parts, std::span<const std::byte> file, const std::string& name,
              const LoadOptions& options);

}  // namespace detail

/// Writes all parameters of a model, or all parts of a `bundle`, to an uncompressed .npz file, as
/// `save` does to a safetensors file. Equal models give equal files. The whole file is put together
/// in memory first.
///
/// The file appears whole or not at all, as with `save`. Throws FileError with the reason, and
/// ArgumentError when two parts have the same name, a part has no name, a name is not UTF-8 or
/// holds a zero byte, or `path` has the ending of another kind of file.
template <class Model>
void save_npz(Model&& model, const std::string& path) {
  detail::write_npz(detail::saved_parts(model), path);
}

/// Fills all parameters of a model, or all parts of a `bundle`, from an .npz file, as `load` does
/// from a safetensors file: with the same demands, and with one error that lists everything that
/// does not fit. It reads files of numpy.savez and numpy.savez_compressed, and turns arrays in
/// Fortran's order. From a large file it reads no more than the model needs.
///
/// Throws FileError when the file cannot be read, is damaged or does not fit, and ArgumentError
/// when two parts have the same name or a part has no name. Then the model is as before.
template <class Model>
void load_npz(Model&& model, const std::string& path, const LoadOptions& options = {}) {
  detail::read_npz(detail::saved_parts(model), path, options);
}

}  // namespace tapestry
