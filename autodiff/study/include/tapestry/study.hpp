// SPDX-License-Identifier: MIT
// The study of gradients: where they come from, which ways they take, and how they fade.
#pragma once

#include "tapestry/autodiff/backward_graph.hpp"
#include "tapestry/study/crossings.hpp"
#include "tapestry/study/flow.hpp"
#include "tapestry/study/gradient_norms.hpp"
#include "tapestry/study/loss_terms.hpp"
#include "tapestry/study/partial.hpp"
#include "tapestry/study/path_count.hpp"
#include "tapestry/study/paths.hpp"
#include "tapestry/study/plots.hpp"
#include "tapestry/study/source.hpp"
#include "tapestry/study/state_spectrum.hpp"
#include "tapestry/study/study_value.hpp"
#include "tapestry/study/time_table.hpp"
#include "tapestry/study/verify.hpp"
