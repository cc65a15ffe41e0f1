#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes attention.json: attention, layer norm and encoder-decoders as written in PyTorch.

    /usr/bin/python3 tests/reference/make_attention_reference.py

See make_reference.py, whose helpers it uses. PyTorch has no module for these attentions and no
encoder-decoder, so they stand here, with packed sequences for sources of different lengths.
"""

import itertools

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from make_reference import Numbers, case, fill, with_gradients, write


class Attention(torch.nn.Module):
    """query (T, B, Q), values (S, B, M) -> context (T, B, M), weights (T, B, S)."""

    def forward(self, query, values, lengths):
        scores = self.scores(query.transpose(0, 1), values.transpose(0, 1))  # (B, T, S)
        beyond = torch.arange(values.shape[0]) >= torch.tensor(lengths)[:, None]
        weights = scores.masked_fill(beyond[:, None], -torch.inf).softmax(-1)
        context = weights @ values.transpose(0, 1)
        return context.transpose(0, 1), weights.transpose(0, 1)


class Additive(Attention):
    def __init__(self, query_size, memory_size, attention_size=4):
        super().__init__()
        self.query = torch.nn.Linear(query_size, attention_size, bias=False)
        self.keys = torch.nn.Linear(memory_size, attention_size, bias=False)
        self.score = torch.nn.Linear(attention_size, 1, bias=False)

    def scores(self, query, values):
        compared = torch.tanh(self.query(query)[:, :, None] + self.keys(values)[:, None])
        return self.score(compared)[..., 0]


class General(Attention):
    def __init__(self, query_size, memory_size):
        super().__init__()
        self.keys = torch.nn.Linear(memory_size, query_size, bias=False)

    def scores(self, query, values):
        return torch.bmm(query, self.keys(values).transpose(1, 2))


class Dot(Attention):
    def __init__(self, query_size, memory_size):
        super().__init__()

    def scores(self, query, values):
        return torch.bmm(query, values.transpose(1, 2))


class Scaled(Dot):
    def scores(self, query, values):
        return super().scores(query, values) / query.shape[-1] ** 0.5


ATTENTION = {"additive": Additive, "general": General, "dot": Dot, "scaled": Scaled}


def attention_case(name, kind, lengths, steps):
    numbers = Numbers(name)
    query_size = 3
    memory_size = query_size if kind in ("dot", "scaled") else 5
    module = ATTENTION[kind](query_size, memory_size)
    inputs = fill(module, numbers)
    query = inputs["query"] = numbers.uniform(steps, 3, query_size).requires_grad_()
    values = inputs["values"] = numbers.uniform(4, 3, memory_size).requires_grad_()
    context, weights = module(query, values, lengths)
    arrays = with_gradients(inputs, {"context": context, "weights": weights}, numbers)
    return case(dict(kind=kind, query_size=query_size, memory_size=memory_size, lengths=lengths),
                arrays)


class EncoderDecoder(torch.nn.Module):
    def __init__(self, recurrent, attention, layers):
        super().__init__()
        hidden = 3
        self.source_embedding = torch.nn.Embedding(6, 2)
        self.target_embedding = torch.nn.Embedding(5, 2)
        self.encoder = recurrent(2, hidden, layers)
        self.decoder = recurrent(2, hidden, layers)
        self.attention = attention(hidden, hidden) if attention else None
        if attention:
            self.combine = torch.nn.Linear(2 * hidden, hidden, bias=False)
        self.head = torch.nn.Linear(hidden, 5)

    def forward(self, source, lengths, inputs, free):
        packed = pack_padded_sequence(self.source_embedding(source), lengths, enforce_sorted=False)
        encoded, state = self.encoder(packed)
        values, _ = pad_packed_sequence(encoded, total_length=source.shape[0])
        tokens, logits, weights = inputs[:1], [], []
        for t in range(inputs.shape[0]):
            tokens = inputs[t:t + 1] if not free or t == 0 else logits[-1].argmax(-1)
            output, state = self.decoder(self.target_embedding(tokens), state)
            if self.attention:
                context, seen = self.attention(output, values, lengths)
                output = torch.tanh(self.combine(torch.cat([context, output], -1)))
                weights.append(seen)
            logits.append(self.head(output))
        return torch.cat(logits), torch.cat(weights) if weights else None


def encoder_decoder_case(name, kind, attention, layers, free):
    numbers = Numbers(name)
    recurrent = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind]
    module = EncoderDecoder(recurrent, ATTENTION.get(attention), layers)
    lengths = [2, 4, 1]
    inputs = fill(module, numbers)
    with torch.no_grad():  # encoded states that differ, for gradients that rounding does not hide
        for parameter in module.parameters():
            parameter.mul_(3)
    inputs["source"] = numbers.below(6, 4, 3)
    inputs["inputs"] = numbers.below(5, 5, 3)
    logits, weights = module(inputs["source"], lengths, inputs["inputs"], free)
    outputs = {"logits": logits} | ({"weights": weights} if weights is not None else {})
    arrays = with_gradients(inputs, outputs, numbers)
    return case(dict(kind=kind, attention=attention, num_layers=layers, lengths=lengths, free=free),
                arrays)


def layer_norm_case(name, affine, shape):
    numbers = Numbers(name)
    module = torch.nn.LayerNorm(4, eps=1e-3, elementwise_affine=affine)
    inputs = fill(module, numbers) | {"input": numbers.uniform(*shape).requires_grad_()}
    arrays = with_gradients(inputs, {"output": module(inputs["input"])}, numbers)
    return case(dict(size=4, epsilon=1e-3, affine=affine), arrays)


def cases():
    result = {}
    for kind, lengths, steps in itertools.product(ATTENTION, ([4, 4, 4], [2, 4, 1]), (1, 3)):
        name = f"attention/{kind}/{'padded' if min(lengths) < 4 else 'full'}/steps_{steps}"
        result[name] = attention_case(name, kind, lengths, steps)
    for kind, attention, free in itertools.product(
            ("rnn", "lstm", "gru"), ("none", "additive", "general"), (False, True)):
        name = f"encoder_decoder/{kind}/{attention}/{'free' if free else 'forced'}"
        result[name] = encoder_decoder_case(name, kind, attention, 2 if kind == "lstm" else 1, free)
    for affine, shape in itertools.product((True, False), ((4,), (3, 2, 4))):
        name = f"layer_norm/{'affine' if affine else 'plain'}/rank_{len(shape)}"
        result[name] = layer_norm_case(name, affine, shape)
    return result


if __name__ == "__main__":
    write("attention.json", cases(), "make_attention_reference.py")
