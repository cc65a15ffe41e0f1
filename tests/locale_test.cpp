// SPDX-License-Identifier: MIT
// Every number that is written or read is the same in every locale that the host program sets.
#define BOOST_TEST_MODULE locale
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <sstream>
#include <utility>

#include "comma_locale.hpp"
#include "drawn_models.hpp"
#include "files.hpp"
#include "tapestry/tapestry.hpp"
#include "time_models.hpp"

using namespace tapestry;
using namespace tapestry::test;

namespace {

template <class X>
std::string printed(const X& x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

template <class Call>
std::string complaint(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

/// What a part of the library says, by the name of the part.
using Texts = std::vector<std::pair<std::string, std::string>>;

void draw_graphs(Texts& texts) {
  Tape<double> tape;
  const auto x = tape.variable({{1234.5, -0.25}, {1e-7, 12345678.0}}, "x");
  const auto y = leaky_relu(clip(x * 1234.5 + 0.125, -1500.5, 1e6), 0.015);
  const auto loss = (sum(pow(y, 2.0)) + scalar_rnn(tape, true)).named("loss");
  loss.backward();
  texts.emplace_back("DOT", to_dot(loss, {.values = true, .gradients = true}));
  texts.emplace_back("SVG", to_svg(loss, {.values = true}));
  const auto all = paths(x, loss);
  texts.emplace_back("paths", printed(all) + all.latex() + (*all.begin()).formula());
  texts.emplace_back("path list", printed(all.strongest(2)));
  const auto flow = gradient_flow(x, loss);
  texts.emplace_back("flow", printed(flow));
  texts.emplace_back("flow in DOT", to_dot(loss, {.overlay = flow.overlay()}));
  texts.emplace_back("gradient norms", printed(gradient_norms(loss)));
  texts.emplace_back("memory", printed(memory_report(tape)));
  texts.emplace_back("verify", printed(verify(x, loss)));
}

void study_time(Texts& texts, const TemporaryFolder& folder) {
  seed(2);
  Tape<double> tape;
  tape.set_primitive(true);
  const StudyModel model = rnn_model();
  const auto terms = model.run(tape, {});
  const TimeTable table = time_table(terms, *model.studied[1]);
  const StateSpectrum spectrum = state_spectrum(find_states(terms[0].loss, {"h"}));
  texts.emplace_back("time table", printed(table));
  texts.emplace_back("verdict", spectrum.verdict());
  save_csv(table, folder / "table.csv");
  texts.emplace_back("CSV", read_bytes(folder / "table.csv"));
  texts.emplace_back("heat map", heat_map_svg(table, HeatMapOf::share));
  texts.emplace_back("lags", lag_curve_svg({{"rnn", table}}));
  texts.emplace_back("spectrum", spectrum_svg({{"rnn", spectrum}}));
  texts.emplace_back("curves", curves_svg({{"a", {1, 2000, 3e6}, {0.5, 1234.5, 7}}}));
  Array<double> cells = zeros<double>({2, 3});
  cells(0, 1) = 1234.5;
  cells(1, 1) = -0.75;
  texts.emplace_back("page", activation_html({"a", "b"}, cells));
}

void report_on_layers(Texts& texts, const TemporaryFolder& folder) {
  seed(3);
  layers::LSTM<double> lstm({.input_size = 2, .hidden_size = 3});
  initialise(lstm, {{"weight_*", "uniform(0.25)"}, {"*", "constant(1.5)"}});
  texts.emplace_back("initialiser", exact_text(lstm.weights(0).bias_ih.value()(1)));
  Tape<double> tape;
  const auto result = lstm(tape.constant(sample<double>({4, 2, 2})));
  sum(square(result.output)).backward();
  const HealthReport report = health_report(lstm, result);
  texts.emplace_back("health", printed(report));
  append_csv(report, folder / "health.csv", 1234);
  texts.emplace_back("health CSV", read_bytes(folder / "health.csv"));
  tapestry::save(lstm, folder / "lstm.safetensors", {{"note", "1234.5"}});
  tapestry::load(lstm, folder / "lstm.safetensors");
  texts.emplace_back("safetensors", read_bytes(folder / "lstm.safetensors"));
  save_npz(lstm, folder / "lstm.npz");
  load_npz(lstm, folder / "lstm.npz");
  texts.emplace_back("npz", read_bytes(folder / "lstm.npz"));
}

void read_and_write(Texts& texts) {
  Generator generator(5);
  static_cast<void>(generator.normal());
  const std::string state = printed(generator);
  texts.emplace_back("generator", state);
  Generator read(1);
  std::istringstream in("1" + state);  // grouped digits would end the first number early
  in.ignore(1);
  in >> read;
  texts.emplace_back("generator read", printed(read) + (in ? "" : " failed"));
  const auto vocabulary = data::Vocabulary::of_symbols({"a", "b"});
  texts.emplace_back("vocabulary", data::Vocabulary::from_json(vocabulary.to_json()).to_json());
  texts.emplace_back(
      "count", PathCount(std::uint64_t{1} << 60).brief() + PathCount(std::uint64_t{1} << 60).str());
}

void complain(Texts& texts) {
  Tape<double> tape;
  const auto x = tape.variable({0.5, 1234.5}, "x");
  Parameter<double> p(Array<double>(1.5), "p");
  const auto add = [&](const char* name, const std::function<void()>& call) {
    texts.emplace_back(name, complaint(call));
  };
  add("dropout", [&] { (void)dropout(x, 1.5); });
  add("clip", [&] { (void)clip(x, 1.5, -1234.5); });
  add("learning rate", [&] { optim::SGD<double>({&p}, {.learning_rate = -1234.5}); });
  add("momentum", [&] { optim::Adam<double>({&p}, {.beta1 = 1.5}); });
  add("clip norm", [&] { (void)optim::clip_grad_norm<double>({&p}, -1.5); });
  add("temperature",
      [&] { (void)data::sample(std::vector<float>{1.5F}, {.temperature = -1234.5}); });
  add("top_p", [&] { (void)data::sample(std::vector<float>{1.5F}, {.top_p = 1.5}); });
  add("smoothing", [&] { data::MovingAverage average(1.5); });
  add("layer norm", [&] { layers::LayerNorm<double>(2, {.epsilon = -1234.5}); });
  add("recurrent dropout",
      [&] { layers::RNN<double>({.input_size = 2, .hidden_size = 3, .dropout = 1.5}); });
  const auto check =
      gradcheck([](const auto& v) { return sum(v * v.detach()); }, Array<double>{0.5, 1234.5});
  texts.emplace_back("gradcheck", check.message);
}

Texts all_texts() {
  const TemporaryFolder folder;
  Texts texts;
  draw_graphs(texts);
  study_time(texts, folder);
  report_on_layers(texts, folder);
  read_and_write(texts);
  complain(texts);
  return texts;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_locale_of_the_test_has_commas) {
  const CommaLocale commas;
  BOOST_TEST(printed(1234.5) == "1.234,5");
  BOOST_WARN_MESSAGE(CommaLocale::has_c_locale(), "there is no C locale with a decimal comma");
}

BOOST_AUTO_TEST_CASE(no_text_depends_on_the_locale) {
  const Texts expected = all_texts();
  for (const auto& [name, text] : expected)
    BOOST_TEST((!text.empty() && text != "none"), name << " says nothing");
  const CommaLocale commas;
  const Texts found = all_texts();
  BOOST_REQUIRE(found.size() == expected.size());
  for (std::size_t k = 0; k < found.size(); ++k)
    BOOST_TEST((found[k].second == expected[k].second), found[k].first << ":\n"
                                                                       << found[k].second
                                                                       << "\ninstead of\n"
                                                                       << expected[k].second);
}

BOOST_AUTO_TEST_CASE(numbers_and_texts) {
  const CommaLocale commas;
  BOOST_TEST(number_text(1234.5) == "1234.5");
  BOOST_TEST(number_text(1234567.0) == "1.23457e+06");
  BOOST_TEST(number_text(-0.000012, 3) == "-1.2e-05");
  BOOST_TEST(number_text(INFINITY) == "inf");
  BOOST_TEST(number_text(-std::nan("")) == "nan");
  BOOST_TEST(exact_text(0.1) == "0.1");
  BOOST_TEST(exact_text(5e-324) == "5e-324");
  BOOST_TEST(fixed_text(2.0 / 3, 2) == "0.67");
  BOOST_TEST(fixed_text(1e300).size() == 308u);
  BOOST_TEST(scientific_text(0.00123, 1) == "1.2e-03");
  BOOST_TEST(hex_text(0xAB, 4) == "00AB");
  BOOST_TEST(hex_text(0, 0) == "0");
  BOOST_TEST(number_from<double>("1234.5").value() == 1234.5);
  BOOST_TEST(number_from<double>("-1e-3").value() == -0.001);
  BOOST_TEST(number_from<std::uint64_t>("18446744073709551615").value() == ~std::uint64_t{0});
  for (const char* text : {"", " 1", "1 ", "1,5", "1.5x", "+1", "0x10"})
    BOOST_TEST(!number_from<double>(text).has_value(), text);
  for (const char* text : {"-1", "256", "1.0"})
    BOOST_TEST(!number_from<std::uint8_t>(text).has_value(), text);
}
