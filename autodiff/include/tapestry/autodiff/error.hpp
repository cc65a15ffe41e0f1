// SPDX-License-Identifier: MIT
// What goes wrong, as exceptions. Every text starts with the operation in brackets, names the
// operands and their shapes, and ends with the place in the model, if it has one:
//   [matmul] inner dimensions differ: (32, 64) x (65, 128) (in lstm, layer 0, step 3)
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace tapestry {

/// Base of all exceptions of the library.
class Error : public std::exception {
 public:
  /// `op` is what was called ("matmul"), `text` what is wrong with it. Texts from files may be in
  /// it: what would move the cursor of a terminal is spelled, "\x1B".
  Error(std::string_view op, std::string_view text);

  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }

  /// Appends where it happened: the scopes that were open. Only the first call has an effect.
  void add_place(std::string_view place);

 private:
  std::string message_;
  bool has_place_ = false;
};

/// Shapes that do not fit an operation.
class ShapeError : public Error {
  using Error::Error;
};

/// An axis, position or token outside its range.
class IndexError : public Error {
  using Error::Error;
};

/// An option or number that makes no sense, such as a learning rate that is not finite.
class ArgumentError : public Error {
  using Error::Error;
};

/// A variable whose tape was cleared, rewound or destroyed, or that belongs to another tape.
class StaleVariable : public Error {
  using Error::Error;
};

/// A gradient that was asked for and cannot exist.
class GradientError : public Error {
  using Error::Error;
};

/// A result or gradient that is not finite, found by a tape that looks for them.
class AnomalyError : public Error {
  using Error::Error;
};

/// A file that cannot be read or written, or whose content does not fit.
class FileError : public Error {
  using Error::Error;
};

}  // namespace tapestry
