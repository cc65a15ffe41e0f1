// SPDX-License-Identifier: MIT
#include "html.hpp"

#include <tapestry/autodiff/save_text.hpp>

#include <string_view>

namespace {

constexpr std::string_view style = R"(body { font: 16px/1.5 Helvetica, Arial, sans-serif;
       color: #1F2933; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; font-size: .9rem }
td, th { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #E3E8EE }
figure { margin: 1rem 0 } figcaption { color: #52606D; font-size: .85rem; max-width: 46rem }
svg { max-width: 100%; height: auto } .row { display: flex; gap: 1rem } .row figure { flex: 1 }
)";

}  // namespace

std::string html_table(const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<table>";
  std::string tag = "th";
  for (const auto& row : rows) {
    html += "<tr>";
    for (const std::string& cell : row) html += "<" + tag + ">" + cell + "</" + tag + ">";
    html += "</tr>\n";
    tag = "td";
  }
  return html + "</table>\n";
}

std::string html_figure(const std::string& svg, const std::string& caption) {
  // Gnuplot's SVG without what may only stand at the beginning of a file.
  return "<figure>" + svg.substr(svg.find("<svg")) + "<figcaption>" + caption +
         "</figcaption></figure>\n";
}

std::string html_row(const std::vector<std::string>& figures) {
  std::string html = "<div class=\"row\">";
  for (const std::string& figure : figures) html += figure;
  return html + "</div>\n";
}

void write_html(const std::string& path, const std::string& title, const std::string& body) {
  tapestry::save_text(
      path, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + title +
                "</title>\n<style>\n" + std::string(style) + "</style></head><body>\n<h1>" + title +
                "</h1>\n" + body + "</body></html>\n");
}
