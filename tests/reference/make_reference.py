#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the reference numbers of the tests: what PyTorch computes.

    /usr/bin/python3 tests/reference/make_reference.py

Needs only PyTorch with NumPy (Debian 12: python3-torch 1.13.0 with Python 3.11, which made the
committed files). Inputs are short decimals from Python's own generator with a fixed seed for each
case, so they are the same everywhere; results are float64 and printed so that they read back
exactly. Another version or processor may change the last digit of a result.

Files, all in the folder of this script (their layout is described in tests/reference.hpp;
make_recurrent_reference.py writes one more):
    layers.json                     RNN, LSTM, GRU, Linear, Embedding: values and gradients
    losses.json                     cross_entropy: values and gradients
    losses_more.json                the other losses, and training steps with a gradient penalty
    optim.json                      the optimizers, clip_grad_norm_, learning rate schedules
    interchange.json                the content of the files below
    {lstm,gru,rnn}_{float32,float64}.{safetensors,npz}   state_dict of a module of two layers

Arrays carry the names PyTorch gives them; "grad/NAME" is the gradient of the loss by NAME. The loss
of a layer is the sum of all outputs times fixed numbers, which are stored as "cotangent/NAME".
"""

import functools
import itertools
import json
import pathlib
import random
import struct
import zlib

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).resolve().parent
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class Numbers:
    """Random inputs of one case, seeded by its name: cases do not depend on each other."""

    def __init__(self, name):
        self.random = random.Random(zlib.crc32(name.encode()))

    def uniform(self, *shape, low=-1.0, high=1.0):
        count = torch.Size(shape).numel()
        values = [round(self.random.uniform(low, high), 3) for _ in range(count)]
        return torch.tensor(values).reshape(shape)

    def below(self, n, *shape):
        count = torch.Size(shape).numel()
        return torch.tensor([self.random.randrange(n) for _ in range(count)]).reshape(shape)


def to_json(tensor):
    return {"shape": list(tensor.shape), "data": tensor.detach().reshape(-1).tolist()}


def case(options, arrays):
    return {"options": options, "arrays": {name: to_json(a) for name, a in arrays.items()}}


def write(name, cases, script="make_reference.py"):
    """Readable JSON: one line for each array."""
    text = ['{\n  "generator": "%s, PyTorch %s",\n  "cases": {' % (script, torch.__version__)]
    for i, (key, value) in enumerate(cases.items()):
        arrays = ",\n".join(
            f"        {json.dumps(n)}: {json.dumps(a, allow_nan=False)}"
            for n, a in value["arrays"].items())
        text.append(f'    {json.dumps(key)}: {{\n      "options": {json.dumps(value["options"])},\n'
                    f'      "arrays": {{\n{arrays}\n      }}\n    }}'
                    + ("," if i + 1 < len(cases) else ""))
    text.append("  }\n}\n")
    (FOLDER / name).write_text("\n".join(text))


def with_gradients(inputs, outputs, numbers):
    """The arrays of a layer's case: inputs, outputs, cotangents and the gradients of the loss."""
    cotangents = {name: numbers.uniform(*value.shape) for name, value in outputs.items()}
    loss = sum((value * cotangents[name]).sum() for name, value in outputs.items())
    loss.backward()
    arrays = {name: value for name, value in inputs.items()}
    arrays |= outputs
    arrays |= {"cotangent/" + name: value for name, value in cotangents.items()}
    arrays["loss"] = loss
    arrays |= {"grad/" + n: v.grad for n, v in inputs.items() if v.requires_grad}
    return arrays


def fill(module, numbers):
    """Replaces the random weights; returns them by name."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(numbers.uniform(*parameter.shape, low=-0.6, high=0.6))
    return dict(module.named_parameters())


RECURRENT = {
    "rnn_tanh": lambda **o: torch.nn.RNN(nonlinearity="tanh", **o),
    "rnn_relu": lambda **o: torch.nn.RNN(nonlinearity="relu", **o),
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
}


def recurrent_case(name, kind, layers, bias, with_state):
    steps, batch, input_size, hidden_size = 4, 2, 3, 4
    numbers = Numbers(name)
    options = dict(input_size=input_size, hidden_size=hidden_size, num_layers=layers, bias=bias)
    module = RECURRENT[kind](**options)
    inputs = fill(module, numbers)
    x = inputs["input"] = numbers.uniform(steps, batch, input_size).requires_grad_()
    states = []
    if with_state:
        for state in ("h_0", "c_0") if kind == "lstm" else ("h_0",):
            inputs[state] = numbers.uniform(layers, batch, hidden_size).requires_grad_()
            states.append(inputs[state])
    output, final = module(x, *([tuple(states)] if len(states) == 2 else states))
    outputs = {"output": output}
    outputs |= {"h_n": final[0], "c_n": final[1]} if kind == "lstm" else {"h_n": final}
    return case(options | {"kind": kind, "state": with_state},
                with_gradients(inputs, outputs, numbers))


def layer_cases():
    cases = {}
    for kind, layers, bias, state in itertools.product(RECURRENT, (1, 2), (True, False),
                                                       (False, True)):
        name = f"{kind}/layers_{layers}/{'bias' if bias else 'no_bias'}" + "/state" * state
        cases[name] = recurrent_case(name, kind, layers, bias, state)
    for bias, shape in itertools.product((True, False), ((5, 3), (4, 2, 3))):
        name = f"linear/{'bias' if bias else 'no_bias'}/rank_{len(shape)}"
        numbers = Numbers(name)
        module = torch.nn.Linear(3, 4, bias=bias)
        inputs = fill(module, numbers) | {"input": numbers.uniform(*shape).requires_grad_()}
        arrays = with_gradients(inputs, {"output": module(inputs["input"])}, numbers)
        cases[name] = case(dict(in_features=3, out_features=4, bias=bias), arrays)
    for shape in ((6,), (4, 3)):  # some tokens come more than once, some never
        name = f"embedding/rank_{len(shape)}"
        numbers = Numbers(name)
        module = torch.nn.Embedding(7, 3)
        inputs = fill(module, numbers) | {"tokens": numbers.below(7, *shape)}
        arrays = with_gradients(inputs, {"output": module(inputs["tokens"])}, numbers)
        cases[name] = case(dict(num_embeddings=7, embedding_dim=3), arrays)
    return cases


def loss_case(name, shape, reduction, ignore_index, smoothing, weighted, scale=2.0):
    numbers = Numbers(name)
    classes = shape[-1]
    logits = numbers.uniform(*shape, low=-scale, high=scale).requires_grad_()
    targets = numbers.below(classes, *shape[:-1])
    inputs = {"logits": logits, "targets": targets}
    options = dict(reduction=reduction, label_smoothing=smoothing)
    weight = None
    if weighted:
        inputs["weight"] = weight = numbers.uniform(classes, low=0.2, high=2.0)
    if ignore_index is not None:
        options["ignore_index"] = ignore_index
        targets.view(-1)[::3] = ignore_index
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, classes), targets.reshape(-1),
                                             weight=weight, **options)
    output = loss.reshape(shape[:-1]) if reduction == "none" else loss
    return case(options, with_gradients(inputs, {"output": output}, numbers))


def loss_cases():
    cases = {}
    for reduction, ignore, smoothing, weighted in itertools.product(
            ("mean", "sum", "none"), (None, -100), (0.0, 0.1), (False, True)):
        name = reduction + "/ignore" * (ignore is not None) + "/smoothing" * (smoothing > 0)
        name += "/weight" * weighted
        cases[name] = loss_case(name, (7, 5), reduction, ignore, smoothing, weighted)
    for reduction in ("mean", "none"):
        name = f"{reduction}/rank_3"
        cases[name] = loss_case(name, (4, 2, 5), reduction, None, 0.0, False)
    name = "mean/ignore_a_class"
    cases[name] = loss_case(name, (7, 5), "mean", 2, 0.0, False)
    name = "none/large_logits"  # a softmax without the maximum subtracted overflows
    cases[name] = loss_case(name, (6, 5), "none", None, 0.0, False, scale=2000.0)
    return cases


def two_operand_case(name, loss, shape, operands, options, extra=()):
    """A loss of input and target; `operands` draws both, `extra` names arrays among the options."""
    numbers = Numbers(name)
    x, target = operands(numbers, shape)
    inputs = {"input": x.requires_grad_(), "target": target.requires_grad_()}
    weights = {n: numbers.uniform(*s, low=0.2, high=2.0) for n, s in extra}
    output = loss(x, target, **options, **weights)
    return case(options, with_gradients(inputs, {"output": output}, numbers) | weights)


def any_numbers(numbers, shape):
    return numbers.uniform(*shape, low=-2, high=2), numbers.uniform(*shape, low=-2, high=2)


def logits_and_probabilities(numbers, shape):
    return numbers.uniform(*shape, low=-3, high=3), numbers.uniform(*shape, low=0, high=1)


def log_distributions(numbers, shape):
    x, target = any_numbers(numbers, shape)
    return torch.log_softmax(x, -1), torch.log_softmax(target, -1)


def distributions(numbers, shape):
    x, target = log_distributions(numbers, shape)
    return x, target.exp()


def nll_case(name, shape, reduction, ignore_index, weighted):
    numbers = Numbers(name)
    classes = shape[-1]
    x = torch.log_softmax(numbers.uniform(*shape, low=-2, high=2), -1).requires_grad_()
    targets = numbers.below(classes, *shape[:-1])
    inputs = {"input": x, "targets": targets}
    options = dict(reduction=reduction)
    weight = None
    if weighted:
        inputs["weight"] = weight = numbers.uniform(classes, low=0.2, high=2.0)
    if ignore_index is not None:
        options["ignore_index"] = ignore_index
        targets.view(-1)[::3] = ignore_index
    loss = torch.nn.functional.nll_loss(x.reshape(-1, classes), targets.reshape(-1), weight=weight,
                                        **options)
    output = loss.reshape(shape[:-1]) if reduction == "none" else loss
    return case(options, with_gradients(inputs, {"output": output}, numbers))


def penalty_case(module, parameters, x, target, steps=3, rate=0.1, factor=0.7):
    """SGD on mse + factor mean (|d sum(output) / d x| - 1)^2, the norm over the last axis."""
    arrays = {n: p.detach().clone() for n, p in parameters.items()} | {"input": x, "target": target}
    for step in range(1, steps + 1):
        x = x.detach().requires_grad_()
        output = module(x)
        slope, = torch.autograd.grad(output.sum(), x, create_graph=True)
        penalty = ((slope.square().sum(-1).sqrt() - 1) ** 2).mean()
        loss = torch.nn.functional.mse_loss(output, target) + factor * penalty
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        arrays[f"loss/{step}"] = loss
        with torch.no_grad():
            for (n, p), g in zip(parameters.items(), gradients):
                p -= rate * g
                arrays[f"{n}/{step}"] = p.detach().clone()
    return case(dict(steps=steps, learning_rate=rate, factor=factor), arrays)


def penalty_cases():
    numbers = Numbers("gradient_penalty/mlp")
    module = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    parameters = fill(module, numbers)
    yield "gradient_penalty/mlp", penalty_case(module, parameters, numbers.uniform(6, 3),
                                               numbers.uniform(6, 2))
    numbers = Numbers("gradient_penalty/lstm")
    module = torch.nn.LSTM(3, 4, num_layers=2)
    parameters = fill(module, numbers)
    yield "gradient_penalty/lstm", penalty_case(lambda x: module(x)[0], parameters,
                                                numbers.uniform(5, 2, 3), numbers.uniform(5, 2, 4))


def more_loss_cases():
    functional = torch.nn.functional
    shape = (4, 2, 3)
    cases = {}
    for reduction in ("mean", "sum", "none"):
        base = dict(reduction=reduction)
        plain = [("mse_loss", functional.mse_loss, any_numbers, {}, ()),
                 ("l1_loss", functional.l1_loss, any_numbers, {}, ()),
                 ("huber_loss", functional.huber_loss, any_numbers, {}, ()),
                 ("huber_loss/delta", functional.huber_loss, any_numbers, dict(delta=0.6), ()),
                 ("kl_div", functional.kl_div, distributions, {}, ()),
                 ("kl_div/log_target", functional.kl_div, log_distributions,
                  dict(log_target=True), ())]
        logits = functional.binary_cross_entropy_with_logits
        for extra in ((), (("weight", (2, 1)),), (("pos_weight", (3,)),),
                      (("weight", shape), ("pos_weight", (3,)))):
            name = "/".join(("bce",) + tuple(n for n, _ in extra))
            plain.append((name, logits, logits_and_probabilities, {}, extra))
        for name, loss, operands, options, extra in plain:
            name = f"{name}/{reduction}"
            cases[name] = two_operand_case(name, loss, shape, operands, base | options, extra)
        for ignore, weighted in itertools.product((None, -100, 2), (False, True)):
            name = "nll_loss" + f"/ignore_{ignore}" * (ignore is not None) + "/weight" * weighted
            name += f"/{reduction}"
            cases[name] = nll_case(name, (7, 5), reduction, ignore, weighted)
        name = f"nll_loss/rank_3/{reduction}"
        cases[name] = nll_case(name, (4, 2, 5), reduction, None, False)
    return cases | dict(penalty_cases())


TORCH_NAMES = dict(learning_rate="lr", epsilon="eps", learning_rate_decay="lr_decay",
                   min_learning_rate="min_lr")
GROUPS = [dict(weight_decay=0.2), dict(learning_rate=0.03, weight_decay=0.0), dict()]
OPTIMIZERS = {
    "sgd/plain": (torch.optim.SGD, dict(learning_rate=0.1)),
    "sgd/weight_decay": (torch.optim.SGD, dict(learning_rate=0.1, weight_decay=0.3)),
    "sgd/momentum": (torch.optim.SGD, dict(learning_rate=0.05, momentum=0.9)),
    "sgd/dampening": (torch.optim.SGD, dict(learning_rate=0.05, momentum=0.8, dampening=0.4)),
    "sgd/nesterov": (torch.optim.SGD, dict(learning_rate=0.05, momentum=0.9, nesterov=True)),
    "sgd/momentum_weight_decay":
        (torch.optim.SGD, dict(learning_rate=0.05, momentum=0.9, weight_decay=0.2)),
    "sgd/nesterov_weight_decay":
        (torch.optim.SGD, dict(learning_rate=0.05, momentum=0.7, nesterov=True, weight_decay=0.2)),
    "adam/plain": (torch.optim.Adam, dict()),
    "adam/weight_decay": (torch.optim.Adam, dict(learning_rate=0.02, weight_decay=0.3)),
    "adam/options":
        (torch.optim.Adam, dict(learning_rate=0.05, beta1=0.6, beta2=0.95, epsilon=1e-3)),
    "adamw/plain": (torch.optim.AdamW, dict()),
    "adamw/weight_decay": (torch.optim.AdamW, dict(learning_rate=0.02, weight_decay=0.9)),
    "adamw/options": (torch.optim.AdamW, dict(learning_rate=0.05, beta1=0.6, beta2=0.95,
                                              epsilon=1e-3, weight_decay=0.0)),
    "rmsprop/plain": (torch.optim.RMSprop, dict()),
    "rmsprop/options":
        (torch.optim.RMSprop, dict(learning_rate=0.02, alpha=0.7, epsilon=1e-2, weight_decay=0.3)),
    "rmsprop/momentum": (torch.optim.RMSprop, dict(learning_rate=0.01, momentum=0.8)),
    "rmsprop/centered": (torch.optim.RMSprop, dict(centered=True, alpha=0.9, weight_decay=0.2)),
    "rmsprop/centered_momentum":
        (torch.optim.RMSprop, dict(learning_rate=0.005, alpha=0.9, centered=True, momentum=0.7,
                                   weight_decay=0.1)),
    "adagrad/plain": (torch.optim.Adagrad, dict()),
    "adagrad/weight_decay": (torch.optim.Adagrad, dict(learning_rate=0.1, weight_decay=0.3)),
    "adagrad/options":
        (torch.optim.Adagrad, dict(learning_rate=0.1, learning_rate_decay=0.5, epsilon=1e-2,
                                   initial_accumulator_value=0.2)),
    "sgd/groups": (torch.optim.SGD, dict(learning_rate=0.1, momentum=0.9, weight_decay=0.1,
                                         groups=GROUPS)),
    "adam/groups": (torch.optim.Adam, dict(weight_decay=0.1, groups=GROUPS)),
    "adamw/groups": (torch.optim.AdamW, dict(weight_decay=0.5, groups=GROUPS)),
    "rmsprop/groups": (torch.optim.RMSprop, dict(weight_decay=0.1, groups=GROUPS)),
    "adagrad/groups": (torch.optim.Adagrad, dict(weight_decay=0.1, groups=GROUPS)),
}


def torch_names(options):
    return {TORCH_NAMES.get(n, n): v for n, v in options.items()}


def optimizer_case(name, kind, options, steps=5):
    """Five steps on three parameters, "late" without a gradient in two. Each may be a group."""
    numbers = Numbers(name)
    shapes = {"weight": (2, 3), "bias": (3,), "late": (4,)}
    parameters = {n: torch.nn.Parameter(numbers.uniform(*s)) for n, s in shapes.items()}
    arrays = {n: p.detach().clone() for n, p in parameters.items()}
    torch_options = torch_names(options)
    groups = torch_options.pop("groups", [{} for _ in parameters])
    if "beta1" in options:
        torch_options["betas"] = (torch_options.pop("beta1"), torch_options.pop("beta2"))
    optimizer = kind([dict(params=[p]) | torch_names(g) for p, g in
                      zip(parameters.values(), groups)], **torch_options)
    for step in range(1, steps + 1):
        for n, parameter in parameters.items():
            missing = n == "late" and step in (1, 4)
            parameter.grad = None if missing else numbers.uniform(*parameter.shape)
            if not missing:
                arrays[f"grad/{n}/{step}"] = parameter.grad.clone()
        optimizer.step()
        arrays |= {f"{n}/{step}": p.detach().clone() for n, p in parameters.items()}
    return case(options | {"steps": steps}, arrays)


def clip_case(name, max_norm):
    numbers = Numbers(name)
    parameters = {n: torch.nn.Parameter(torch.zeros(s)) for n, s in
                  {"weight": (3, 5), "bias": (2,), "without": (4,)}.items()}
    arrays = {}
    for n in ("weight", "bias"):
        parameters[n].grad = numbers.uniform(*parameters[n].shape)
        arrays["grad/" + n] = parameters[n].grad.clone()
    arrays["norm"] = torch.nn.utils.clip_grad_norm_(list(parameters.values()), max_norm)
    arrays |= {"clipped/" + n: parameters[n].grad for n in ("weight", "bias")}
    return case(dict(max_norm=max_norm), arrays)


scheduler = torch.optim.lr_scheduler
SCHEDULES = {
    "schedule/step_decay": lambda o: scheduler.StepLR(o, 4, gamma=0.3),
    "schedule/cosine": lambda o: scheduler.CosineAnnealingLR(o, 20),
    "schedule/exponential": lambda o: scheduler.ExponentialLR(o, 0.9),
    "schedule/warm_up": lambda o: scheduler.SequentialLR(
        o, [scheduler.LinearLR(o, 1 / 5, total_iters=4), scheduler.CosineAnnealingLR(o, 15)], [5]),
}
RATES = (0.5, 0.02)  # of two groups


def sgd(rates):
    """With a group for each rate."""
    return torch.optim.SGD([dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=rate)
                            for rate in rates], lr=1.0)


def rates_of(optimizer):
    return torch.tensor([group["lr"] for group in optimizer.param_groups])


def schedule_case(optimizer, schedule, steps=20, **options):
    """The rates at the start and after each step."""
    rates = [rates_of(optimizer)]
    for _ in range(steps):
        optimizer.step()
        schedule.step()
        rates.append(rates_of(optimizer))
    return case(options, {"rates": torch.stack(rates)})


def floor_case(steps=12, floor=0.1):
    """Cosine to a floor: eta_min is a rate, so there is one group."""
    optimizer = sgd(RATES[:1])
    schedule = scheduler.CosineAnnealingLR(optimizer, steps, eta_min=floor * RATES[0])
    return schedule_case(optimizer, schedule, steps, floor=floor)


def plateau_case(name, options, steps=40):
    """A metric that falls, then wanders, then falls a little; the rates after each step."""
    numbers = Numbers(name)
    metrics = 1.0 + numbers.uniform(steps, low=0.0, high=0.2)
    metrics[:6] += torch.arange(6, 0, -1)
    metrics[6] = 0.95
    metrics[25:] -= 0.1
    optimizer = sgd(RATES)
    schedule = scheduler.ReduceLROnPlateau(optimizer, **torch_names(options))
    rates = []
    for metric in metrics:
        schedule.step(metric)
        rates.append(rates_of(optimizer))
    return case(options, {"metrics": metrics, "rates": torch.stack(rates)})


PLATEAUS = {
    "plateau/plain": dict(),
    "plateau/impatient": dict(patience=0, factor=0.5),
    "plateau/threshold": dict(patience=2, threshold=0.05),
    "plateau/least": dict(patience=1, factor=0.2, min_learning_rate=1e-3),
}


def optim_cases():
    cases = {name: optimizer_case(name, *value) for name, value in OPTIMIZERS.items()}
    for name, make in SCHEDULES.items():
        cases[name] = schedule_case(optimizer := sgd(RATES), make(optimizer))
    cases |= {name: plateau_case(name, options) for name, options in PLATEAUS.items()}
    cases["schedule/floor"] = floor_case()
    for name, max_norm in (("clip/scaled", 0.7), ("clip/untouched", 100.0), ("clip/zero", 0.0)):
        cases[name] = clip_case(name, max_norm)
    return cases


def save_safetensors(path, tensors, dtype, code):
    """The format by hand: header length (u64, little endian), JSON header padded with spaces to a
    multiple of 8, data. https://github.com/huggingface/safetensors#format"""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(tensors):
        values = tensors[name].reshape(-1).tolist()
        raw = struct.pack(f"<{len(values)}{code}", *values)
        header[name] = {"dtype": dtype, "shape": list(tensors[name].shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


INTERCHANGED = {
    "lstm": functools.partial(torch.nn.LSTM, bidirectional=True),
    "gru": torch.nn.GRU,
    "rnn": torch.nn.RNN,
}


def interchange_cases():
    """State dicts as files: safetensors, and .npz as NumPy writes it, both plain and compressed."""
    cases = {}
    types = (("float32", "F32", "f", torch.float32, np.savez),
             ("float64", "F64", "d", torch.float64, np.savez_compressed))
    for (kind, make), (name, dtype, code, torch_type, save_npz) in itertools.product(
            INTERCHANGED.items(), types):
        numbers = Numbers("safetensors/" + name)
        module = make(3, 4, num_layers=2)
        fill(module, numbers)
        module = module.to(torch_type)
        weights = module.state_dict()
        file = f"{kind}_{name}"
        save_safetensors(FOLDER / (file + ".safetensors"), weights, dtype, code)
        save_npz(FOLDER / (file + ".npz"), **{key: value.numpy() for key, value in weights.items()})
        x = numbers.uniform(3, 2, 3).to(torch_type)
        output, _ = module(x)
        options = dict(file=file, input_size=3, hidden_size=4, num_layers=2)
        cases[file] = case(options, dict(weights) | {"input": x, "output": output})
    return cases


if __name__ == "__main__":
    write("layers.json", layer_cases())
    write("losses.json", loss_cases())
    write("losses_more.json", more_loss_cases())
    write("optim.json", optim_cases())
    write("interchange.json", interchange_cases())
