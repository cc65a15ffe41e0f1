// SPDX-License-Identifier: MIT
#include "tapestry/autodiff/activation_page.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

#include "tapestry/autodiff/detail/instantiate.hpp"
#include "tapestry/autodiff/detail/text_file.hpp"
#include "tapestry/autodiff/error.hpp"
#include "tapestry/autodiff/number_text.hpp"
#include "tapestry/autodiff/shape.hpp"

namespace tapestry {
namespace {

constexpr std::string_view style = R"(
body { font: 15px/1.5 Helvetica, Arial, sans-serif; color: #1F2933; background: #FFFFFF;
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem; font-weight: 600 }
h2 { font-size: .9rem; font-weight: 600; color: #52606D; margin: 1.2rem 0 .2rem }
p.text { font: 14px/1.75 "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre-wrap;
         overflow-wrap: anywhere; margin: 0 }
p.text span { padding: .12em 0 }
i { color: #8793A0; font-style: normal }
.scale span { display: inline-block; width: 1.6rem; text-align: center; font-size: .75rem }
input { width: 24rem; max-width: 60%; vertical-align: middle }
)";

constexpr std::string_view script = R"(
const show = k => {
  document.getElementById('number').textContent = k;
  const text = document.getElementById('any');
  for (let t = 0; t < text.children.length; ++t) {
    const v = values[k][t];
    text.children[t].style.background =
        v < 0 ? `rgba(0,114,178,${-v / 100})` : `rgba(213,94,0,${v / 100})`;
    text.children[t].title = (v / 100 * scales[k]).toPrecision(3);
  }
};
const slider = document.getElementById('unit');
slider.oninput = () => show(Number(slider.value));
show(Number(slider.value));
)";

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

/// A token as it is shown: the end of a line can be seen.
std::string shown(const std::string& token) {
  std::string result;
  for (const char c : escaped(token)) {
    if (c == '\n')
      result += "<i>↵</i>\n";
    else
      result += c;
  }
  return result;
}

std::string color(int percent) {
  return std::string("rgba(") + (percent < 0 ? "0,114,178," : "213,94,0,") +
         exact_text(std::abs(percent) / 100.0) + ")";
}

class Page {
 public:
  template <class T>
  Page(const char* op, const std::vector<std::string>& tokens, const Array<T>& activations,
       const ActivationPageOptions& options)
      : tokens_(tokens), options_(options) {
    const Shape shape(activations.shape());
    if (shape.rank() < 2 || shape.rank() > 3 || shape[0] != tokens.size() || shape.back() == 0)
      throw ShapeError(op, "activations " + shape.str() + " must have shape (T, H) or (T, B, H), " +
                               "with T = " + std::to_string(tokens.size()) +
                               " tokens and at least one unit");
    const std::size_t batch = shape.rank() == 3 ? shape[1] : 1;
    if (options.sequence >= batch)
      throw IndexError(op, "there is no sequence " + std::to_string(options.sequence) + " among " +
                               std::to_string(batch));
    for (const std::size_t unit : options.units)
      if (unit >= shape.back())
        throw IndexError(op, "there is no unit " + std::to_string(unit) + " among " +
                                 std::to_string(shape.back()));
    for (std::size_t unit = 0; unit < shape.back(); ++unit) {
      std::vector<double> values;
      for (std::size_t t = 0; t < shape[0]; ++t)
        values.push_back(static_cast<double>(
            activations.data()[(t * batch + options.sequence) * shape.back() + unit]));
      add_unit(values);
    }
  }

  std::string write() {
    const std::string title = escaped(options_.title.empty() ? "Activations" : options_.title);
    text_ = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" +
            title + "</title>\n<style>" + std::string(style) + "</style>\n</head>\n<body>\n<h1>" +
            title + "</h1>\n<p class=\"scale\">";
    for (int percent = -100; percent <= 100; percent += 25)
      text_ += "<span style=\"background:" + color(percent) + "\">" +
               (percent == -100  ? "−"
                : percent == 0   ? "0"
                : percent == 100 ? "+"
                                 : "&nbsp;") +
               "</span>";
    text_ += " each unit on a scale of its own</p>\n";
    for (const std::size_t unit : chosen()) add_text(unit);
    add_explorer();
    text_ += "</body>\n</html>\n";
    return std::move(text_);
  }

 private:
  void add_unit(const std::vector<double>& values) {
    double most = 0;
    double sum = 0;
    double square = 0;
    for (const double x : values) {
      if (!std::isfinite(x)) continue;
      most = std::max(most, std::abs(x));
      sum += x;
      square += x * x;
    }
    std::vector<int> percents;
    for (const double x : values)
      percents.push_back(
          most > 0 && std::isfinite(x) ? static_cast<int>(std::lround(100 * x / most)) : 0);
    percents_.push_back(std::move(percents));
    scales_.push_back(most);
    const auto n = static_cast<double>(std::max<std::size_t>(values.size(), 1));
    spreads_.push_back(square / n - sum / n * (sum / n));
  }

  [[nodiscard]] std::vector<std::size_t> chosen() const {
    if (!options_.units.empty()) return options_.units;
    std::vector<std::size_t> units(percents_.size());
    std::iota(units.begin(), units.end(), std::size_t{0});
    std::ranges::stable_sort(
        units, [&](std::size_t a, std::size_t b) { return spreads_[a] > spreads_[b]; });
    units.resize(std::min<std::size_t>(units.size(), 6));
    return units;
  }

  void add_text(std::size_t unit) {
    text_ += "<h2>unit " + std::to_string(unit) + "</h2>\n<p class=\"text\">";
    for (std::size_t t = 0; t < tokens_.size(); ++t)
      text_ += "<span style=\"background:" + color(percents_[unit][t]) + "\">" + shown(tokens_[t]) +
               "</span>";
    text_ += "</p>\n";
  }

  /// All units, one at a time.
  void add_explorer() {
    text_ +=
        "<h2>any unit: <span id=\"number\"></span></h2>\n<p><input id=\"unit\" type=\"range\" "
        "min=\"0\" max=\"" +
        std::to_string(percents_.size() - 1) + "\" value=\"0\"></p>\n" +
        "<p class=\"text\" id=\"any\">";
    for (const std::string& token : tokens_) text_ += "<span>" + shown(token) + "</span>";
    text_ += "</p>\n<script>\nconst values = [";
    for (const std::vector<int>& percents : percents_) {
      text_ += "\n[";
      for (const int percent : percents) text_ += std::to_string(percent) + ',';
      text_ += "],";
    }
    text_ += "];\nconst scales = [";
    for (const double scale : scales_) text_ += exact_text(scale) + ',';
    text_ += "];" + std::string(script) + "</script>\n";
  }

  const std::vector<std::string>& tokens_;
  const ActivationPageOptions& options_;
  std::vector<std::vector<int>> percents_;  // of the largest value of each unit
  std::vector<double> scales_;
  std::vector<double> spreads_;
  std::string text_;
};

}  // namespace

template <class T>
std::string activation_html(const std::vector<std::string>& tokens, const Array<T>& activations,
                            const ActivationPageOptions& options) {
  return Page("activation_html", tokens, activations, options).write();
}

template <class T>
void save_activations(const std::vector<std::string>& tokens, const Array<T>& activations,
                      const std::filesystem::path& path, const ActivationPageOptions& options) {
  detail::check_ending("save_activations", path, detail::FileKind::html);
  detail::write_text("save_activations", path,
                     Page("save_activations", tokens, activations, options).write());
}

TAPESTRY_INSTANTIATE(activation_html, save_activations)

}  // namespace tapestry
