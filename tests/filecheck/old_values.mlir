// RUN: lower
// Two populations read each other's old potential: one order serves `a`, and `a.V` is kept in a copy for `b`.
// `s` has no other use, so the events of `b` go straight to the output.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  // CHECK-LABEL: func.func private @stage.flow(
  // CHECK-NEXT:   "step.copy"(%{{.+}}) {delay = 0 : i64, from = @[[READ:.+]].V, into = @[[READ]].V.old,
  // CHECK-NEXT:   return
  // CHECK-LABEL: func.func private @stage.a(
  // CHECK-NEXT:   "step.update"(%{{.+}}) {args = [@b.V, @a.V], delays = [0, 0], program = @LIF, results = [@a.V, @a.spike], size = 4 : i64}
  // CHECK-LABEL: func.func private @stage.b(
  // CHECK-NEXT:   "step.update"(%{{.+}}) {args = [@a.V.old, @b.V], delays = [0, 0], program = @LIF, results = [@b.V, @output.s], size = 4 : i64}
  // CHECK-NEXT:   "step.tally"(%{{.+}}) {into = @b.emitted, of = @output.s}
  func.func private @LIF(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %d = arith.constant 0.875 : f32
    %one = arith.constant 1.0 : f32
    %0 = arith.mulf %d, %V : f32
    %1 = arith.addf %0, %I : f32
    %s = arith.cmpf oge, %1, %one : f32
    %2 = arith.subf %1, %one : f32
    %v = arith.select %s, %2, %1 : f32
    return %v, %s : f32, i1
  }
  "snn.state"() {sym_name = "a.V", type = tensor<4xf32>, init = 0.5 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.V", type = tensor<4xf32>, init = 0.5 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @LIF, shape = [4], states = [@a.V], params = []} : () -> ()
  "snn.population"() {sym_name = "b", neuron = @LIF, shape = [4], states = [@b.V], params = []} : () -> ()
  func.func @step() -> (tensor<4xi1> {snn.name = "s"}) {
    %va = "snn.read"() {of = @a.V, delay = 1} : () -> tensor<4xf32>
    %vb = "snn.read"() {of = @b.V, delay = 1} : () -> tensor<4xf32>
    %sa = "snn.update"(%vb) {population = @a} : (tensor<4xf32>) -> tensor<4xi1>
    %sb = "snn.update"(%va) {population = @b} : (tensor<4xf32>) -> tensor<4xi1>
    return %sb : tensor<4xi1>
  }
}
