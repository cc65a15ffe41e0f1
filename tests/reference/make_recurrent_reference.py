#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes recurrent.json: what PyTorch computes for 600 random recurrent layers, as checksums.

    /usr/bin/python3 tests/reference/make_recurrent_reference.py

Needs only PyTorch (the version that made the committed file is stated in it). To keep the file
small, it holds no inputs: they follow from the case's "seed" by the formula of `numbers`, which
tests/recurrent_cases.hpp has too. Each result is reduced to three numbers,

    [sum(result * numbers(SEED, TENSOR + 500)), sum(result * numbers(SEED, TENSOR + 600)),
     max(|result|)]

with TENSOR its place in `RESULTS` or, for the gradient of a parameter, 20 + its place among the
parameters. The loss is the sum of all outputs times numbers(SEED, TENSOR + 400).
"""

import random

import torch

from make_reference import case, write

MASK = (1 << 64) - 1
RESULTS = ["output", "h_n", "c_n", "grad/input", "grad/h_0", "grad/c_0"]
KINDS = ["rnn_tanh", "rnn_relu", "lstm", "lstm_proj", "gru"]


def numbers(seed, tensor, *shape):
    """Multiples of 2^-23 in [-1, 1) from the generator SplitMix64; exact in float32, too."""
    state = (seed * 1000 + tensor) << 32
    values = []
    for _ in range(torch.Size(shape).numel()):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        values.append(((z ^ (z >> 31)) >> 40) / 2**23 - 1)
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def random_options(seed):
    draw = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    steps, batch = draw.randint(1, 6), draw.randint(1, 4)
    hidden_size = draw.randint(2, 5)
    options = dict(
        seed=seed, kind=kind, steps=steps, batch=batch, input_size=draw.randint(1, 4),
        hidden_size=hidden_size, num_layers=draw.randint(1, 3), bias=draw.random() < 0.7,
        bidirectional=draw.random() < 0.5, state=draw.random() < 0.5,
        proj_size=draw.randint(1, hidden_size - 1) if kind == "lstm_proj" else 0)
    if draw.random() < 0.6:
        options["lengths"] = [draw.randint(1, steps) for _ in range(batch)]
    return options


def make_module(o):
    common = {n: o[n] for n in ("input_size", "hidden_size", "num_layers", "bias", "bidirectional")}
    if o["kind"].startswith("rnn"):
        return torch.nn.RNN(nonlinearity=o["kind"][4:], **common)
    if o["kind"] == "gru":
        return torch.nn.GRU(**common)
    return torch.nn.LSTM(proj_size=o["proj_size"], **common)


def run(module, o, x, initial):
    """Output, h_n and, of an LSTM, c_n."""
    rnn = torch.nn.utils.rnn
    if "lengths" in o:
        x = rnn.pack_padded_sequence(x, o["lengths"], enforce_sorted=False)
    output, final = module(x, (tuple(initial) if len(initial) == 2 else initial[0])
                           if initial else None)
    if "lengths" in o:
        output, _ = rnn.pad_packed_sequence(output, total_length=o["steps"])
    return [output, *(final if isinstance(final, tuple) else [final])]


def checksum(seed, tensor, result):
    result = result.detach()
    return torch.stack([(result * numbers(seed, tensor + 500, *result.shape)).sum(),
                        (result * numbers(seed, tensor + 600, *result.shape)).sum(),
                        result.abs().max()])


def recurrent_case(seed):
    o = random_options(seed)
    module = make_module(o)
    parameters = list(module.named_parameters())
    with torch.no_grad():
        for place, (_, parameter) in enumerate(parameters):
            parameter.copy_(0.5 * numbers(seed, 20 + place, *parameter.shape))
    leaves = {"input": numbers(seed, 0, o["steps"], o["batch"], o["input_size"])}
    if o["state"]:
        places = o["num_layers"] * (2 if o["bidirectional"] else 1)
        width = o["proj_size"] or o["hidden_size"]
        leaves["h_0"] = numbers(seed, 1, places, o["batch"], width)
        if o["kind"].startswith("lstm"):
            leaves["c_0"] = numbers(seed, 2, places, o["batch"], o["hidden_size"])
    x, *initial = [leaf.requires_grad_() for leaf in leaves.values()]
    outputs = run(module, o, x, initial)
    loss = sum((y * numbers(seed, 400 + k, *y.shape)).sum() for k, y in enumerate(outputs))
    loss.backward()
    results = dict(zip(RESULTS, outputs)) | {"grad/" + n: v.grad for n, v in leaves.items()}
    arrays = {n: checksum(seed, RESULTS.index(n), v) for n, v in results.items()}
    for place, (n, parameter) in enumerate(parameters):
        arrays["grad/" + n] = checksum(seed, 20 + place, parameter.grad)
    return case(o, arrays)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    cases = {}
    for seed in range(600):
        result = recurrent_case(seed)
        cases[f"{result['options']['kind']}/{seed}"] = result
    write("recurrent.json", cases, "make_recurrent_reference.py")
