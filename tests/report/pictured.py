"""A controller that is drawn."""

#: something of everything: encoders of all kinds, sparse and one-to-one, delays, a choice, several numbers, no units
ALL = """
version: 1
period: 0.004
dt: 0.002
inputs:
  camera: {kind: events, size: [30, 21], encoder: {type: pool, grid: [5, 3], polarity: split}}
  x:
    kind: value
    size: 2
    range: [-1, 1]
    unit: rad
    encoder: {type: population, neurons: 5, neuron: {type: lif, tau_mem: 0.01}}
  l: {kind: value, size: 1, encoder: {type: linear, weights: [[1.0, -1.0]]}}
  plain: {kind: value, size: 12, required: false}
network:
  populations:
    a: {size: 30, neuron: {type: cuba_lif, tau_mem: 0.01, tau_syn: 0.004}, bias: 0.1}
    b:
      size: 30
      neuron: {type: lif, tau_mem: 0.01, refractory: 0.002, v_threshold: all.npz#thresholds}
    picture: {size: 16, neuron: {type: izhikevich}}
    g: {size: 12, neuron: {type: li, tau_mem: 0.01}}
  projections:
  - {pre: camera, post: a, connection: one_to_one, weights: 0.3}
  - {pre: x, post: a, weights: 0.2}
  - pre: a
    post: b
    connection: sparse
    pre_index: [0, 3, 5, 5]
    post_index: [1, 1, 2, 29]
    weights: [1.0, 2.0, -1.0, 0.5]
    delay: [0.002, 0.004, 0.004, 0.006]
  - {pre: b, post: a, weights: -0.05, delay: 0.002}
  - {pre: b, post: b, weights: 0.0, delay: 0.002}
  - {pre: l, post: g, weights: 0.5}
  - pre: camera
    post: picture
    weights: all.npz#kernels
    connection: {type: convolution, shape: [2, 3, 5], padding: [1, 0]}
  - {pre: plain, post: g, connection: one_to_one}
outputs:
  y:
    size: 2
    limits: [-1, 1]
    decoder: [{type: linear, from: a, tau: 0.02, weights: 0.01}, {type: membrane, from: g, weights: 0.02}]
  choice: {decoder: {type: argmax, actions: 3, terms: [{type: membrane, from: g, weights: 1.0}]}}
"""
