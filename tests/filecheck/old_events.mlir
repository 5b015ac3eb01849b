// RUN: lower
// Each population is reached by the other's spikes of one step ago. One of them keeps its single slot, since its
// reader can come first; the other gets a second slot.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  // CHECK-DAG: "step.buffer"() {forms = ["list"], init = false, kind = "state", slots = 1 : i64, sym_name = "b.spike"
  // CHECK-DAG: "step.buffer"() {forms = ["list"], kind = "stream", slots = 2 : i64, sym_name = "a.spike"
  // CHECK-LABEL: func.func private @stage.a(
  // CHECK-NEXT:   "step.fill"
  // CHECK-NEXT:   "step.propagate"(%{{.+}}) {delay = 0 : i64, from = @b.spike, into = @a.port.I
  // CHECK-NEXT:   "step.update"
  // CHECK-LABEL: func.func private @stage.b(
  // CHECK-NEXT:   "step.fill"
  // CHECK-NEXT:   "step.propagate"(%{{.+}}) {delay = 1 : i64, from = @a.spike, into = @b.port.I
  // CHECK-NEXT:   "step.update"
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
  "snn.synapses"() {sym_name = "w", pre = 4, post = 4, connect = {kind = "one_to_one"}, weight = 1.0 : f32} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<4xf32>, init = 0.5 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.V", type = tensor<4xf32>, init = 0.5 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "a.spike", type = tensor<4xi1>, init = false, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.spike", type = tensor<4xi1>, init = false, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @LIF, shape = [4], states = [@a.V], params = [], event = @a.spike} : () -> ()
  "snn.population"() {sym_name = "b", neuron = @LIF, shape = [4], states = [@b.V], params = [], event = @b.spike} : () -> ()
  func.func @step() {
    %z = arith.constant dense<0.0> : tensor<4xf32>
    %b1 = "snn.read"() {of = @b.spike, delay = 1} : () -> tensor<4xi1>
    %ia = "snn.propagate"(%b1, %z) {synapses = @w} : (tensor<4xi1>, tensor<4xf32>) -> tensor<4xf32>
    %sa = "snn.update"(%ia) {population = @a} : (tensor<4xf32>) -> tensor<4xi1>
    %a1 = "snn.read"() {of = @a.spike, delay = 1} : () -> tensor<4xi1>
    %ib = "snn.propagate"(%a1, %z) {synapses = @w} : (tensor<4xi1>, tensor<4xf32>) -> tensor<4xf32>
    %sb = "snn.update"(%ib) {population = @b} : (tensor<4xf32>) -> tensor<4xi1>
    return
  }
}
