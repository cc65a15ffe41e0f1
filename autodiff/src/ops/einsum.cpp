// SPDX-License-Identifier: MIT
// Sums of products in Einstein's notation, as products of matrices.
#include <algorithm>
#include <array>
#include <string>

#include "ops/library_op.hpp"

namespace tapestry {
namespace {

/// A letter for each axis; '0', '1', ... for those that "..." stands for.
using Labels = std::string;

bool has(const Labels& labels, char label) { return labels.find(label) != Labels::npos; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

Labels without(Labels labels, const Labels& others) {
  std::erase_if(labels, [&](char c) { return has(others, c); });
  return labels;
}

Labels common(Labels labels, const Labels& others) {
  std::erase_if(labels, [&](char c) { return !has(others, c); });
  return labels;
}

/// "ij,...jk->ik" in parts. Dots are single here: ".jk".
struct Subscripts {
  std::string text;
  std::vector<Labels> inputs;
  Labels output;
  bool has_output = false;

  explicit Subscripts(std::string_view subscripts) : text(subscripts) {
    std::string left = text;
    std::erase(left, ' ');
    const std::size_t arrow = left.find("->");
    has_output = arrow != std::string::npos;
    if (has_output) {
      output = part(left.substr(arrow + 2));
      left.erase(arrow);
    }
    for (std::size_t comma; (comma = left.find(',')) != std::string::npos;) {
      inputs.push_back(part(left.substr(0, comma)));
      left.erase(0, comma + 1);
    }
    inputs.push_back(part(left));
  }

  [[noreturn]] void refuse(const std::string& reason) const {
    throw ArgumentError("einsum", "'" + text + "' " + reason);
  }

 private:
  /// The labels of one operand, after checking them.
  [[nodiscard]] Labels part(Labels labels) const {
    const std::size_t dots = labels.find("...");
    if (dots != Labels::npos) labels.replace(dots, 3, ".");
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (!is_letter(labels[i]) && i != dots)
        refuse(std::string("has '") + labels[i] + "' where a letter should be");
    return labels;
  }
};

/// "label 'j'", or what stands for it.
std::string label_text(char label) {
  return is_letter(label) ? std::string("label '") + label + "'" : "an axis of '...'";
}

/// Throws when `what` has more axes than an array can have.
void check_rank(const char* what, const Labels& labels) {
  if (labels.size() > Shape::max_rank)
    throw ShapeError("einsum", std::string(what) + " has " + std::to_string(labels.size()) +
                                   " axes, but at most " + std::to_string(Shape::max_rank) +
                                   " are possible");
}

/// The subscripts with a label for every axis, and the extent of each label.
struct Plan {
  std::vector<Labels> inputs;
  Labels output;
  std::array<std::size_t, 128> extents{};

  Plan(const Subscripts& subscripts, const std::vector<Shape>& shapes) : inputs(subscripts.inputs) {
    if (inputs.size() != shapes.size())
      subscripts.refuse("names " + std::to_string(inputs.size()) +
                        (inputs.size() == 1 ? " operand, not " : " operands, not ") +
                        std::to_string(shapes.size()));
    std::size_t dotted = 0;  // axes that "..." stands for, at most
    for (std::size_t k = 0; k < shapes.size(); ++k)
      dotted = std::max(dotted, dotted_axes(inputs[k], shapes[k]));
    for (std::size_t k = 0; k < shapes.size(); ++k)
      expand(inputs[k], dotted, dotted_axes(inputs[k], shapes[k]));
    measure(shapes);
    output = subscripts.has_output ? subscripts.output : implicit_output(dotted);
    if (subscripts.has_output) {
      if (dotted > 0 && !has(output, '.')) subscripts.refuse("lacks '...' in the result");
      expand(output, dotted, dotted);
      check_output(subscripts);
    }
    check_rank("the result", output);
  }

  [[nodiscard]] std::size_t extent(char label) const {
    return extents[static_cast<unsigned char>(label)];
  }
  [[nodiscard]] Shape shape(const Labels& labels) const {
    Shape result;
    for (const char label : labels) result.push_back(extent(label));
    return result;
  }
  [[nodiscard]] std::size_t size(const Labels& labels) const {
    std::size_t n = 1;
    for (const char label : labels) n *= extent(label);
    return n;
  }

  /// What operands after `k` and the result need.
  [[nodiscard]] Labels needed_after(std::size_t k) const {
    Labels labels = output;
    for (std::size_t i = k + 1; i < inputs.size(); ++i) labels += inputs[i];
    return labels;
  }

 private:
  static std::size_t dotted_axes(const Labels& labels, const Shape& shape) {
    const bool dots = has(labels, '.');
    const std::size_t letters = labels.size() - (dots ? 1 : 0);
    if (dots ? shape.rank() < letters : shape.rank() != letters)
      throw ShapeError("einsum", "an operand of shape " + shape.str() + " does not have " +
                                     (dots ? "at least " : "") + std::to_string(letters) +
                                     (letters == 1 ? " axis" : " axes"));
    return shape.rank() - letters;
  }

  /// Puts the last `count` of `all` numbered labels in place of the dots.
  static void expand(Labels& labels, std::size_t all, std::size_t count) {
    const std::size_t dots = labels.find('.');
    if (dots == Labels::npos) return;
    Labels numbered;
    for (std::size_t i = all - count; i < all; ++i) numbered += static_cast<char>('0' + i);
    labels.replace(dots, 1, numbered);
  }

  [[noreturn]] static void refuse_extents(char label, std::size_t a, std::size_t b) {
    throw ShapeError("einsum", label_text(label) + " has extents " + std::to_string(a) + " and " +
                                   std::to_string(b));
  }

  void measure(const std::vector<Shape>& shapes) {
    std::array<bool, 128> known{};
    for (std::size_t k = 0; k < shapes.size(); ++k) {
      for (std::size_t i = 0; i < inputs[k].size(); ++i) {
        const std::size_t first = inputs[k].find(inputs[k][i]);  // of this operand's diagonal
        if (shapes[k][i] != shapes[k][first])
          refuse_extents(inputs[k][i], shapes[k][first], shapes[k][i]);
        const auto label = static_cast<unsigned char>(inputs[k][i]);
        std::size_t& extent = extents[label];
        const std::size_t n = shapes[k][i];
        if (known[label] && extent != n && extent != 1 && n != 1)
          refuse_extents(inputs[k][i], extent, n);
        if (!known[label] || extent == 1) extent = n;
        known[label] = true;
      }
    }
  }

  [[nodiscard]] Labels implicit_output(std::size_t dotted) const {
    Labels all;
    for (const Labels& labels : inputs) all += labels;
    Labels once;
    for (std::size_t i = 0; i < dotted; ++i) once += static_cast<char>('0' + i);
    std::sort(all.begin(), all.end());
    for (const char label : all)
      if (is_letter(label) && std::count(all.begin(), all.end(), label) == 1) once += label;
    return once;
  }

  void check_output(const Subscripts& subscripts) const {
    Labels all;
    for (const Labels& labels : inputs) all += labels;
    for (std::size_t i = 0; i < output.size(); ++i) {
      if (!has(all, output[i]))
        subscripts.refuse("has " + label_text(output[i]) + " in the result only");
      if (output.find(output[i], i + 1) != Labels::npos)
        subscripts.refuse("has " + label_text(output[i]) + " twice in the result");
    }
  }
};

/// A value and what its axes are called.
template <class T>
struct Term {
  Variable<T> x;
  Labels labels;
};

template <class T>
Variable<T> reshaped(const Variable<T>& x, const Shape& shape) {
  return x.shape() == shape ? x : reshape(x, shape);
}

template <class T>
Variable<T> in_order(const Term<T>& term, const Labels& labels) {
  Shape order;
  for (const char label : labels) order.push_back(term.labels.find(label));
  return detail::permute(term.x, order);
}

/// Leaves out the axes that broadcast: the others of their label make up for them.
template <class T>
Term<T> squeezed(const Plan& plan, const Variable<T>& x, const Labels& labels) {
  const Shape shape = x.shape();
  Shape left;
  Term<T> term;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (shape[i] != plan.extent(labels[i])) continue;
    left.push_back(shape[i]);
    term.labels += labels[i];
  }
  term.x = reshaped(x, left);
  return term;
}

/// Takes the diagonal of axes that have one label.
template <class T>
Term<T> diagonal(Term<T> term) {
  for (std::size_t i = 0; i < term.labels.size(); ++i) {
    const std::size_t j = term.labels.find(term.labels[i], i + 1);
    if (j == Labels::npos) continue;
    const Shape shape = term.x.shape();
    Shape order{i, j};
    Shape others;
    Labels labels(1, term.labels[i]);
    for (std::size_t k = 0; k < shape.rank(); ++k) {
      if (k == i || k == j) continue;
      order.push_back(k);
      others.push_back(shape[k]);
      labels += term.labels[k];
    }
    const auto n = static_cast<std::int64_t>(shape[i]);
    const Variable<T> flat =
        reshape(detail::permute(term.x, order), {shape[i] * shape[i], others.size()});
    others.insert(0, shape[i]);
    return diagonal(Term<T>{reshape(slice(flat, 0, 0, n * n, n + 1), others), labels});
  }
  return term;
}

/// Sums over the axes that are not in `keep`.
template <class T>
Term<T> summed(Term<T> term, const Labels& keep) {
  for (std::size_t i = term.labels.size(); i-- > 0;) {
    if (has(keep, term.labels[i])) continue;
    term.x = sum(term.x, static_cast<int>(i));
    term.labels.erase(i, 1);
  }
  return term;
}

/// Products of all elements, broadcast.
template <class T>
Term<T> multiplied(const Plan& plan, const Term<T>& a, const Term<T>& b) {
  const Labels labels = a.labels + without(b.labels, a.labels);
  check_rank("a product of two operands", labels);
  const auto spread = [&](const Term<T>& term) {
    Shape shape;
    for (const char label : labels)
      if (has(term.labels, label) || shape.rank() > 0)
        shape.push_back(has(term.labels, label) ? plan.extent(label) : 1);
    return reshaped(in_order(term, common(labels, term.labels)), shape);
  };
  return {spread(a) * spread(b), labels};
}

/// The term as matrices (batch, rows, columns), and whether they are transposed: then no copy was
/// needed.
template <class T>
std::pair<Variable<T>, bool> matrices(const Plan& plan, const Term<T>& term, const Labels& batch,
                                      const Labels& rows, const Labels& columns) {
  const bool transposed = term.labels == batch + columns + rows && !rows.empty();
  const Variable<T> x = transposed ? term.x : in_order(term, batch + rows + columns);
  Shape shape{plan.size(rows), plan.size(columns)};
  if (transposed) std::swap(shape[0], shape[1]);
  if (!batch.empty()) shape.insert(0, plan.size(batch));
  return {reshaped(x, shape), transposed};
}

/// The product of two terms, summed over what is not in `keep`.
template <class T>
Term<T> contracted(const Plan& plan, Term<T> a, Term<T> b, const Labels& keep) {
  a = summed(std::move(a), b.labels + keep);
  b = summed(std::move(b), a.labels + keep);
  const Labels shared = common(a.labels, b.labels);
  const Labels batch = common(shared, keep);
  const Labels inner = without(shared, keep);
  if (inner.empty()) return multiplied(plan, a, b);
  const Labels rows = without(a.labels, shared);
  const Labels columns = without(b.labels, shared);
  const Labels labels = batch + rows + columns;
  check_rank("a product of two operands", labels);
  const auto [left, left_transposed] = matrices(plan, a, batch, rows, inner);
  const auto [right, right_transposed] = matrices(plan, b, batch, columns, inner);
  const Variable<T> product =
      matmul(left, right, {.transpose_a = left_transposed, .transpose_b = !right_transposed});
  return {reshaped(product, plan.shape(labels)), labels};
}

}  // namespace

template <class T>
Variable<T> einsum(std::string_view subscripts, std::span<const Variable<T>> operands) {
  if (operands.empty()) throw ArgumentError("einsum", "no operands given");
  for (const Variable<T>& x : operands) detail::check_one_tape("einsum", operands[0], x);
  return detail::attempt("einsum", operands[0], [&] {
    std::vector<Shape> shapes;
    for (const Variable<T>& x : operands) shapes.push_back(x.shape());
    const Plan plan(Subscripts(subscripts), shapes);
    Term<T> result;
    for (std::size_t k = 0; k < operands.size(); ++k) {
      const Term<T> term = diagonal(squeezed(plan, operands[k], plan.inputs[k]));
      const Labels keep = plan.needed_after(k);
      result = k == 0 ? summed(term, keep) : contracted(plan, result, term, keep);
    }
    return in_order(result, plan.output);
  });
}

TAPESTRY_INSTANTIATE_AS((Variable<T>(std::string_view, std::span<const Variable<T>>)), einsum)

}  // namespace tapestry
