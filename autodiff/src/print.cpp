// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/print.hpp"

#include <algorithm>
#include <array>
#include <ostream>
#include <string>
#include <utility>

#include "tapestry/autodiff/array.hpp"
#include "tapestry/autodiff/check.hpp"
#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/parameter.hpp"
#include "tapestry/autodiff/shape.hpp"
#include "tapestry/autodiff/tape.hpp"
#include "tapestry/autodiff/utf8.hpp"
#include "tapestry/autodiff/variable.hpp"

namespace tapestry {
namespace {

/// The numbers of an array in braces, as they could be given to a tape. Rows are wrapped at 80
/// columns.
template <class T>
class ArrayText {
 public:
  ArrayText(const T* data, const Shape& shape)
      : data_(data), shape_(shape), strides_(strides_of(shape)), shortened_(shape.size() > 1000) {}

  std::string str() {
    if (shape_.size() == 0) return "{}";
    for_shown(0, 0,
              [&](std::size_t position) { width_ = std::max(width_, number(position).size()); });
    write(0, 0);
    return std::move(text_);
  }

 private:
  static constexpr std::size_t edge = 3;
  static constexpr std::size_t columns = 80;

  [[nodiscard]] std::string number(std::size_t position) const {
    return number_text(static_cast<double>(data_[position]));
  }

  /// Whether the elements from `i` on, but for the last ones, are left out.
  [[nodiscard]] bool skips(std::size_t axis, std::size_t i) const {
    return shortened_ && i == edge && shape_[axis] > 2 * edge;
  }

  template <class F>
  void for_shown(std::size_t axis, std::size_t position, const F& f) const {
    if (axis == shape_.rank()) return f(position);
    for (std::size_t i = 0; i < shape_[axis]; ++i) {
      if (skips(axis, i)) i = shape_[axis] - edge;
      for_shown(axis + 1, position + i * strides_[axis], f);
    }
  }

  void write(std::size_t axis, std::size_t position) {
    if (axis == shape_.rank()) return append(number(position), width_);
    text_ += '{';
    for (std::size_t i = 0; i < shape_[axis]; ++i) {
      if (i > 0) separate(axis);
      if (skips(axis, i)) {
        append("...", 0);
        separate(axis);
        i = shape_[axis] - edge;
      }
      write(axis + 1, position + i * strides_[axis]);
    }
    text_ += '}';
  }

  void append(const std::string& number, std::size_t width) {
    text_.append(width - std::min(width, number.size()), ' ');
    text_ += number;
  }

  /// What stands between two elements of an axis: within rows a space, between them a new line, and
  /// between matrices an empty one, too.
  void separate(std::size_t axis) {
    text_ += ',';
    const std::size_t inner = shape_.rank() - 1 - axis;
    const std::size_t line = text_.rfind('\n') + 1;  // 0 where there is none
    if (inner == 0 && text_.size() - line + width_ + 2 <= columns) {
      text_ += ' ';
      return;
    }
    text_.append(std::max<std::size_t>(inner, 1), '\n').append(axis + 1, ' ');
  }

  const T* data_;
  Shape shape_;
  std::array<std::size_t, Shape::max_rank> strides_;
  bool shortened_;
  std::size_t width_ = 0;
  std::string text_;
};

/// "name (2, 2) =" and the numbers; on the same line if they fit on one.
template <class T>
std::string text_of(const std::string& title, const T* data, const Shape& shape) {
  const std::string numbers = ArrayText<T>(data, shape).str();
  return title + (numbers.find('\n') == std::string::npos ? " = " : " =\n") + numbers;
}

std::string title_of(const std::string& name, const Shape& shape) {
  return utf8::shown(name) + (shape.rank() > 0 ? ' ' + shape.str() : "");
}

std::string count_of(std::size_t n, const std::string& what) {
  return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s");
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.str(); }

template <class T>
std::ostream& operator<<(std::ostream& out, const Variable<T>& x) {
  std::string title = "variable";
  try {
    static_cast<void>(x.state("print"));
    title = title_of(x.name(), x.shape());
    const auto value = x.value();
    return out << text_of(title, value.data(), x.shape());
  } catch (const Error& error) {
    return out << title << ": " << error.what();
  }
}

template <class T>
std::ostream& operator<<(std::ostream& out, const Parameter<T>& parameter) {
  const std::string& name = parameter.name().empty() ? "parameter" : parameter.name();
  if (parameter.is_moved_from()) return out << utf8::shown(name) << ": was moved from";
  return out << text_of(title_of(name, parameter.shape()), parameter.value().data(),
                        parameter.shape());
}

template <class T>
std::ostream& operator<<(std::ostream& out, const Tape<T>& tape) {
  const std::size_t ops = tape.state().nodes.size();
  return out << "tape of " + count_of(tape.size(), "value") + " and " + count_of(ops, "op") + ", " +
                    fixed_text(static_cast<double>(tape.memory_used()) / 1024, 1) + " KiB" +
                    (tape.recording() ? "" : ", not recording");
}

std::ostream& operator<<(std::ostream& out, const GradcheckResult& result) {
  if (!result.passed) return out << "failed: " << result.message;
  return out << "passed, largest error " << number_text(result.largest_error, 1);
}

TAPESTRY_INSTANTIATE_AS((std::ostream & (std::ostream&, const Variable<T>&)), operator<<)
TAPESTRY_INSTANTIATE_AS((std::ostream & (std::ostream&, const Parameter<T>&)), operator<<)
TAPESTRY_INSTANTIATE_AS((std::ostream & (std::ostream&, const Tape<T>&)), operator<<)

}  // namespace tapestry

namespace xt {

std::ostream& operator<<(std::ostream& out, const dynamic_shape<std::size_t>& shape) {
  return out << tapestry::Shape(shape).str();
}

}  // namespace xt
