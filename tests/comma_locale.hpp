// SPDX-License-Identifier: MIT
#pragma once

#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <locale>
#include <string>

namespace tapestry::test {

/// Numbers as in 1.234.567,5.
class CommaNumbers : public std::numpunct<char> {
 protected:
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

/// While it lives, the program is as one in German: streams write and read 1.234,5, and so do
/// printf and strtod where the system has, or can make, such a locale.
class CommaLocale {
 public:
  CommaLocale() : before_(std::locale::global(std::locale(std::locale(), new CommaNumbers))) {
    for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR.utf8"})
      if (std::setlocale(LC_ALL, name)) return;
    // Debian has the sources of all locales in the package "locales".
    const auto folder = std::filesystem::absolute("locales");
    std::filesystem::create_directories(folder);
    const std::string made = (folder / "de_DE.UTF-8").string();
    if (!std::filesystem::exists(made) &&
        std::system(("localedef -i de_DE -f UTF-8 '" + made + "' >/dev/null 2>&1").c_str()) != 0)
      return;
    setenv("LOCPATH", folder.c_str(), 1);
    std::setlocale(LC_ALL, "de_DE.UTF-8");
  }
  CommaLocale(const CommaLocale&) = delete;
  CommaLocale& operator=(const CommaLocale&) = delete;
  ~CommaLocale() {
    std::locale::global(before_);
    std::setlocale(LC_ALL, "C");
  }

  /// Whether C's functions write commas as well.
  [[nodiscard]] static bool has_c_locale() { return *std::localeconv()->decimal_point == ','; }

 private:
  std::locale before_;
};

}  // namespace tapestry::test
