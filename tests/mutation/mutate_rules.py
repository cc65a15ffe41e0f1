#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the gradient rules wrong, one after the other, and counts what the tests notice.

Each gradient that a rule returns, and each that a fused cell's kernel stores, is multiplied by -1
and then by 1.5. One build holds all these mutants: an environment variable chooses. A mutant that
no test notices is printed, and the exit code is 1.

  tests/mutation/mutate_rules.py [--jobs N]      needs what the tests need; about ten minutes

What it leaves is in build/mutation.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
SOURCE = WORK / "source"
BUILD = WORK / "build"

# The tests that look, the quick ones first.
TESTS = ["ops_test", "fused_sequence_test", "fused_linear_test", "loss_functions_test",
         "recurrent_pytorch_test", "differential_test"]

# Such a gradient has no elements: no mutant of it is wrong.
NO_ELEMENTS = "if (count(full) == 0)"

HEADER = """#pragma once
#include <type_traits>
namespace tapestry::mutation {
int chosen();
double factor();
template <class X>
X mutated(int id, const X& x) {
  if (id != chosen()) return x;
  if constexpr (std::is_arithmetic_v<X>) return static_cast<X>(x * factor());
  else if constexpr (requires { typename X::batch_bool_type; })
    return x * X(static_cast<typename X::value_type>(factor()));
  else return X(x * factor());
}
}
"""

CHOICE = """
#include <cstdlib>
namespace tapestry::mutation {
int chosen();
double factor();
int chosen() {
  static const int id = std::getenv("MUTANT") ? std::atoi(std::getenv("MUTANT")) : -1;
  return id;
}
double factor() {
  static const double by = std::getenv("FACTOR") ? std::atof(std::getenv("FACTOR")) : 1;
  return by;
}
}
"""


class Mutants:
    def __init__(self):
        self.places = []

    def wrap(self, file, line, expression):
        self.places.append(f"{file}:{line}: {' '.join(expression.split())}")
        return f"tapestry::mutation::mutated({len(self.places) - 1}, {expression})"


def end_of_body(text, start):
    """The index after the brace that closes the one at `start`."""
    depth = 0
    for i in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    raise ValueError("a body without an end")


def end_of_argument(text, start):
    """The index of the comma, parenthesis or semicolon that ends the expression at `start`."""
    depth = 0
    for i in range(start, len(text)):
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}":
            if depth == 0:
                return i
            depth -= 1
        elif text[i] in ",;" and depth == 0:
            return i
    raise ValueError("an expression without an end")


def mutate(path, function, statement, mutants):
    """Wraps the expression after each `statement` in the bodies of `function`."""
    text = path.read_text()
    file = path.relative_to(SOURCE)
    result, at = "", 0
    for match in re.finditer(function, text):
        if match.start() < at:
            continue
        start = text.index("{", match.end() - 1)
        end = end_of_body(text, start)
        result += text[at:start]
        body, position = text[start:end], 0
        for found in re.finditer(statement, body):
            begin = found.end()
            stop = end_of_argument(body, begin)
            if NO_ELEMENTS in body[body.rindex("\n", 0, begin):begin]:
                continue
            line = text.count("\n", 0, start + begin) + 1
            result += body[position:begin] + mutants.wrap(file, line, body[begin:stop])
            position = stop
        result += body[position:]
        at = end
    if at:
        include = f'#include "{SOURCE / "mutation.hpp"}"\n'
        path.write_text(include + result + text[at:])


def copy_sources():
    """Copies only what differs, so that little is compiled again."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True,
                           text=True).stdout
    for name in filter(None, files.split("\0")):
        data, to = (ROOT / name).read_bytes(), SOURCE / name
        if not to.exists() or to.read_bytes() != data:
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(data)
            to.chmod((ROOT / name).stat().st_mode)


def make_mutants():
    mutants = Mutants()
    (SOURCE / "mutation.hpp").write_text(HEADER)
    error = SOURCE / "autodiff/src/error.cpp"
    error.write_text(error.read_text() + CHOICE)
    rule = r"\bbackward\([^;{]*\)\s*const\s*\{"
    for path in sorted((SOURCE / "autodiff/src/ops").glob("*.cpp")):
        mutate(path, rule, r"\breturn\s+(?=[^;\s])", mutants)
    cross_entropy = SOURCE / "autodiff/src/ops/cross_entropy.cpp"
    mutate(cross_entropy, r"void put_row_gradient\([^;{]*\{", r"(?:const T factor =|-=)\s*", mutants)
    cells = SOURCE / "layers/src/fused/cell_kernels_inline.hpp"
    mutate(cells, r"static void \w+_back\([^;{]*\{", r"at\.store\([^,]*,\s*", mutants)
    return mutants.places


def build():
    options = ["-DTAPESTRY_BUILD_EXAMPLES=OFF", "-DTAPESTRY_BUILD_BENCHMARKS=OFF",
               "-DTAPESTRY_LIBTORCH_ORACLE=OFF", "-DTAPESTRY_WERROR=OFF", "-DTAPESTRY_UNITY=ON"]
    subprocess.run(["cmake", "--preset", "ci", "-B", str(BUILD), *options], cwd=SOURCE, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(BUILD), "--parallel", str(os.cpu_count()), "--target",
                    *TESTS], check=True)


def noticed_by(mutant, factor):
    """The first test that fails; None if none does."""
    environment = dict(os.environ, MUTANT=str(mutant), FACTOR=str(factor), OPENBLAS_NUM_THREADS="1")
    for test in TESTS:
        try:
            run = subprocess.run([BUILD / "tests" / test], env=environment, cwd=WORK, timeout=600,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return test
        if run.returncode != 0:
            return test
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    jobs = parser.parse_args().jobs
    copy_sources()
    places = make_mutants()
    build()
    if noticed_by(-1, 1):
        sys.exit("the tests fail without a mutant")
    cases = [(i, factor) for i in range(len(places)) for factor in (-1, 1.5)]
    left = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for (i, factor), test in zip(cases, pool.map(lambda case: noticed_by(*case), cases)):
            if test is None:
                left.append(f"times {factor}: {places[i]}")
    print(f"{len(cases)} mutants of {len(places)} gradients, {len(cases) - len(left)} noticed")
    for line in left:
        print("not noticed, " + line)
    sys.exit(1 if left else 0)


main()
