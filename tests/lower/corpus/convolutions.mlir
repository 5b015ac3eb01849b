// Convolutions and poolings: one and two axes, groups, strides, dilations, paddings before and after, events of every kind.
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @Integrate(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %h = arith.constant 0.5 : f32
    %z = arith.constant 0.0 : f32
    %0 = arith.mulf %V, %h : f32
    %1 = arith.addf %0, %I : f32
    %s = arith.cmpf ogt, %1, %h : f32
    %v = arith.select %s, %z, %1 : f32
    return %v, %s : f32, i1
  }
  "snn.constant"() {sym_name = "K", type = tensor<4x2x3x3xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "G", type = tensor<6x2x2x1xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "L", type = tensor<3x8x4xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "N", type = tensor<2x1x2x2xi32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "same", pre = 50, post = 60, connect = {kind = "conv", input = [2, 5, 5], output = [4, 5, 3], kernel = [3, 3], stride = [1, 2], padding = [1, 1], dilation = [1, 1], groups = 1 : i64}, weight = @K} : () -> ()
  "snn.synapses"() {sym_name = "groups", pre = 60, post = 96, connect = {kind = "conv", input = [4, 5, 3], output = [6, 4, 4], kernel = [2, 1], stride = [1, 1], padding = [0, 1], dilation = [2, 1], groups = 2 : i64}, weight = @G} : () -> ()
  "snn.synapses"() {sym_name = "pool", pre = 60, post = 8, connect = {kind = "conv", input = [4, 5, 3], output = [4, 2, 1], kernel = [2, 2], stride = [2, 2], padding = [0, 0], dilation = [1, 1], groups = 4 : i64}, weight = 0.25 : f32} : () -> ()
  "snn.synapses"() {sym_name = "line", pre = 8, post = 12, connect = {kind = "conv", input = [8, 1], output = [3, 4], kernel = [4], stride = [1], padding = [3], dilation = [1], groups = 1 : i64}, weight = @L} : () -> ()
  "snn.synapses"() {sym_name = "counted", pre = 50, post = 32, connect = {kind = "conv", input = [2, 5, 5], output = [2, 4, 4], kernel = [2, 2], stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 2 : i64}, weight = @N} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<4x5x3xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "a.spike", type = tensor<4x5x3xi1>, init = false, depth = 2} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @Integrate, shape = [4, 5, 3], states = [@a.V], params = [], event = @a.spike} : () -> ()
  "snn.probe"() {sym_name = "probe.a.V", of = @a.V, kind = "value", every = 1, low = 0, high = 60, shape = [4, 5, 3]} : () -> ()
  func.func @step(%x: tensor<2x5x5xi1> {snn.name = "x", snn.kind = "spikes"}, %n: tensor<2x5x5xi64> {snn.name = "n", snn.kind = "int"})
      -> (tensor<6x4x4xf32> {snn.name = "g"}, tensor<3x4xf32> {snn.name = "l"}, tensor<2x4x4xi32> {snn.name = "c"}) {
    %z = arith.constant dense<0.0> : tensor<4x5x3xf32>
    %zg = arith.constant dense<0.125> : tensor<6x4x4xf32>
    %zp = arith.constant dense<0.0> : tensor<4x2x1xf32>
    %zl = arith.constant dense<0.0> : tensor<3x4xf32>
    %zc = arith.constant dense<0> : tensor<2x4x4xi32>
    %0 = "snn.propagate"(%x, %z) {synapses = @same} : (tensor<2x5x5xi1>, tensor<4x5x3xf32>) -> tensor<4x5x3xf32>
    %a = "snn.update"(%0) {population = @a} : (tensor<4x5x3xf32>) -> tensor<4x5x3xi1>
    %g = "snn.propagate"(%0, %zg) {synapses = @groups} : (tensor<4x5x3xf32>, tensor<6x4x4xf32>) -> tensor<6x4x4xf32>
    %late = "snn.read"() {of = @a.spike, delay = 2} : () -> tensor<4x5x3xi1>
    %p = "snn.propagate"(%late, %zp) {synapses = @pool} : (tensor<4x5x3xi1>, tensor<4x2x1xf32>) -> tensor<4x2x1xf32>
    %q = "snn.propagate"(%a, %p) {synapses = @pool} : (tensor<4x5x3xi1>, tensor<4x2x1xf32>) -> tensor<4x2x1xf32>
    %flat = tensor.collapse_shape %q [[0, 1, 2]] : tensor<4x2x1xf32> into tensor<8xf32>
    %l = "snn.propagate"(%flat, %zl) {synapses = @line} : (tensor<8xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
    %c = "snn.propagate"(%n, %zc) {synapses = @counted} : (tensor<2x5x5xi64>, tensor<2x4x4xi32>) -> tensor<2x4x4xi32>
    return %g, %l, %c : tensor<6x4x4xf32>, tensor<3x4xf32>, tensor<2x4x4xi32>
  }
}
