// SPDX-License-Identifier: MIT
// The rules of the optimizers: how one number p changes with its gradient g and with what is
// remembered of it. What a rule is, `Optimizer` says. They are compiled for several architectures,
// so nothing is included here that runs at the start of a program.
#pragma once

#include <array>
#include <cmath>

namespace tapestry::optim {

/// With value p, gradient g and direction b.
/// Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep
/// learning", in the form of torch.optim.SGD, where the learning rate is outside of b.
struct SGDRule {
  static constexpr std::array memories{"momentum_buffer"};  // b
  static constexpr bool in_library = true;
  double rate, decay, momentum;
  double share;  ///< of the gradient in b: 1 - dampening, and 1 in the first step
  bool nesterov;

  void operator()(auto& p, auto g, auto& b) const {
    g = g + decay * p;
    if (momentum != 0) {
      b = momentum * b + share * g;
      g = nesterov ? g + momentum * b : b;
    }
    p = p - rate * g;
  }
};

/// With value p, gradient g and moments m, v, in step t = 1, 2, ...
/// Source: Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1.
struct AdamRule {
  static constexpr std::array memories{"exp_avg", "exp_avg_sq"};  // m, v
  static constexpr bool in_library = true;
  double rate, decay, beta1, beta2, epsilon;
  double correction1;  ///< 1 - beta1^t
  double correction2;  ///< 1 - beta2^t

  void operator()(auto& p, auto g, auto& m, auto& v) const {
    g = g + decay * p;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    p = p - rate / correction1 * m / (sqrt(v) / std::sqrt(correction2) + epsilon);
  }
};

/// With value p, gradient g and moments m, v, in step t = 1, 2, ...
/// Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2, in the
/// form of torch.optim.AdamW.
struct AdamWRule {
  static constexpr std::array memories{"exp_avg", "exp_avg_sq"};  // m, v
  static constexpr bool in_library = true;
  double rate, decay, beta1, beta2, epsilon;
  double correction1;  ///< 1 - beta1^t
  double correction2;  ///< 1 - beta2^t

  void operator()(auto& p, auto g, auto& m, auto& v) const {
    p = (1 - rate * decay) * p;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    p = p - rate / correction1 * m / (sqrt(v) / std::sqrt(correction2) + epsilon);
  }
};

/// With value p, gradient g, direction b, and the means s of g^2 and a of g.
/// Source: Tieleman and Hinton 2012, Coursera, "Neural networks for machine learning", lecture 6.5;
/// centered: Graves 2013, "Generating sequences with recurrent neural networks", equations 38
/// to 41.
struct RMSpropRule {
  static constexpr std::array memories{"square_avg", "momentum_buffer", "grad_avg"};  // s, b, a
  static constexpr bool in_library = true;
  double rate, decay, alpha, epsilon, momentum;
  bool centered;

  void operator()(auto& p, auto g, auto& s, auto& b, auto& a) const {
    g = g + decay * p;
    s = alpha * s + (1 - alpha) * g * g;
    auto variance = s;
    if (centered) {
      a = alpha * a + (1 - alpha) * g;
      variance = s - a * a;
      variance = where(variance < 0.0, 0.0, variance);  // a NaN stays
    }
    g = g / (sqrt(variance) + epsilon);
    if (momentum != 0) g = b = momentum * b + g;
    p = p - rate * g;
  }
};

/// With value p, gradient g and the sum s.
/// Source: Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and
/// stochastic optimization", in the form of torch.optim.Adagrad.
struct AdagradRule {
  static constexpr std::array memories{"sum"};  // s
  static constexpr bool in_library = true;
  double rate, decay, epsilon;

  void operator()(auto& p, auto g, auto& s) const {
    g = g + decay * p;
    s = s + g * g;
    p = p - rate * g / (sqrt(s) + epsilon);
  }
};

}  // namespace tapestry::optim
