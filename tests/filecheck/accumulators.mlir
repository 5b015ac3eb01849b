// RUN: lower
// A port that is a state receives in place, after its old value has been read; an elementwise value is the start
// of a sum where nothing else needs it; a slice of rows is read where it lies.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  // CHECK-LABEL: func.func private @program.output.y(
  // CHECK-NEXT:    %[[TWO:.+]] = arith.constant 2.000000e+00 : f32
  // CHECK-NEXT:    %[[X:.+]] = arith.mulf %{{.+}}, %[[TWO]] : f32
  // CHECK-NEXT:    return %[[X]] : f32
  // CHECK-LABEL: func.func private @stage.flow(
  // CHECK-NEXT:   "step.update"(%{{.+}}) {args = [@a.g], delays = [0], program = @program.output.y, results = [@output.y], size = 4 : i64}
  // CHECK-NEXT:   return
  // CHECK-LABEL: func.func private @stage.a(
  // CHECK-NEXT:   "step.propagate"(%{{.+}}) {delay = 0 : i64, from = @input.x, into = @a.g, low = 4 : i64, mode = "event", table = @w, tally = @w.synaptic_events}
  // CHECK-NEXT:   "step.propagate"(%{{.+}}) {delay = 0 : i64, from = @input.x, into = @a.g, low = 0 : i64, mode = "event", table = @w, tally = @w.synaptic_events}
  // CHECK-NEXT:   "step.update"(%{{.+}}) {args = [@input.r], delays = [0], program = @program.a.port.I, results = [@a.port.I], size = 4 : i64}
  // CHECK-NEXT:   "step.propagate"(%{{.+}}) {delay = 0 : i64, from = @input.r, into = @a.port.I, low = 0 : i64, mode = "dense", table = @w, tally = @w.synaptic_events}
  // CHECK-NEXT:   "step.update"(%{{.+}}) {args = [@a.g, @a.port.I], delays = [0, 0], program = @N, results = [@a.g], size = 4 : i64}
  // CHECK-NEXT:   return
  func.func private @N(%g: f32 {snn.port = "g", snn.state = "g"}, %I: f32 {snn.port = "I"}) -> (f32 {snn.state = "g"}) {
    %n = arith.mulf %g, %I : f32
    return %n : f32
  }
  "snn.synapses"() {sym_name = "w", pre = 4, post = 4, connect = {kind = "one_to_one"}, weight = 1.0 : f32} : () -> ()
  "snn.state"() {sym_name = "a.g", type = tensor<4xf32>, init = 0.5 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @N, shape = [4], states = [@a.g], params = []} : () -> ()
  func.func @step(%x: tensor<2x4xi1> {snn.name = "x", snn.kind = "spikes"}, %r: tensor<4xf32> {snn.name = "r", snn.kind = "real"}) -> (tensor<4xf32> {snn.name = "y"}) {
    %two = arith.constant dense<2.0> : tensor<4xf32>
    %g = "snn.read"() {of = @a.g, delay = 1} : () -> tensor<4xf32>
    %second = tensor.extract_slice %x[1, 0] [1, 4] [1, 1] : tensor<2x4xi1> to tensor<4xi1>
    %first = tensor.extract_slice %x[0, 0] [1, 4] [1, 1] : tensor<2x4xi1> to tensor<4xi1>
    %g1 = "snn.propagate"(%second, %g) {synapses = @w} : (tensor<4xi1>, tensor<4xf32>) -> tensor<4xf32>
    %g2 = "snn.propagate"(%first, %g1) {synapses = @w} : (tensor<4xi1>, tensor<4xf32>) -> tensor<4xf32>
    %b = math.exp %r : tensor<4xf32>
    %i = "snn.propagate"(%r, %b) {synapses = @w} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    "snn.update"(%g2, %i) {population = @a} : (tensor<4xf32>, tensor<4xf32>) -> ()
    %y = arith.mulf %g, %two : tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
