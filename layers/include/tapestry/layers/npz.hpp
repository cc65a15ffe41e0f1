// SPDX-License-Identifier: MIT
// Models on disk as NumPy's numpy.savez writes them: a zip archive that holds an array "name.npy"
// for each parameter (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
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

/// `save_npz` and `load_npz` of a list of parts.
void write_npz(const SavedParts& parts, const std::string& path);
void read_npz(const SavedParts& parts, const std::string& path, const LoadOptions& options);

/// `load_npz` of a file whose content is in memory; errors call it `name`.
void read_npz(const SavedParts& parts, std::span<const std::byte> file, const std::string& name,
              const LoadOptions& options);

}  // namespace detail

/// Writes all parameters of a model, or parts of a `bundle`, as `save` does, but as an .npz file,
/// uncompressed. Equal models give equal files. The whole file is put together in memory first.
///
/// It appears whole or not at all, as with `save`. Throws FileError with the reason, and
/// ArgumentError when two parts have one name, one has none, a name is not UTF-8 or holds a zero
/// byte, or `path` has the ending of another kind of file.
template <class Model>
void save_npz(Model&& model, const std::string& path) {
  detail::write_npz(detail::saved_parts(model), path);
}

/// Fills all parameters of a model, or parts of a `bundle`, from an .npz file, as `load` does from
/// a safetensors file: with the same demands, and one error that lists all that does not fit.
/// Reads what numpy.savez and numpy.savez_compressed write; arrays in Fortran's order are turned.
/// Of a large file no more is read than the model needs.
///
/// Throws FileError when the file cannot be read, is damaged or does not fit, and ArgumentError
/// when two parts have one name or one has none; then the model is as before.
template <class Model>
void load_npz(Model&& model, const std::string& path, const LoadOptions& options = {}) {
  detail::read_npz(detail::saved_parts(model), path, options);
}

}  // namespace tapestry
