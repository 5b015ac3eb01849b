// RUN: canonicalize,lower
// A layer with a recurrent projection of two steps. Events feed propagation as lists; the dense table is the constant
// itself; the drawn initial state is drawn in place.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  // CHECK:      module attributes {step.dt = 1.000000e-03 : f64, step.dt_unit = "s", step.model = "M"}
  // CHECK-NEXT: "step.buffer"() {forms = ["list"], kind = "input", slots = 1 : i64, sym_name = "input.x", type = memref<3xi1>}
  // CHECK-NEXT: "step.buffer"() {forms = ["mask"], kind = "output", slots = 1 : i64, sym_name = "output.y", type = memref<4xi1>}
  // CHECK-NEXT: "step.buffer"() {kind = "counter", slots = 1 : i64, sym_name = "a.emitted", type = memref<i64>}
  // CHECK-NEXT: "step.buffer"() {kind = "counter", slots = 1 : i64, sym_name = "xa.synaptic_events", type = memref<i64>}
  // CHECK-NEXT: "step.buffer"() {kind = "counter", slots = 1 : i64, sym_name = "aa.synaptic_events", type = memref<i64>}
  // CHECK-NEXT: "step.buffer"() {kind = "state", slots = 1 : i64, sym_name = "a.V", type = memref<4xf32>}
  // CHECK-NEXT: "step.buffer"() {forms = ["list", "mask"], kind = "stream", slots = 3 : i64, sym_name = "a.spike", type = memref<4xi1>}
  // CHECK-NEXT: "step.buffer"() {kind = "temp", slots = 1 : i64, sym_name = "a.port.I", type = memref<4xf32>}
  // CHECK-NEXT: "step.buffer"() {{.*}}kind = "constant", slots = 1 : i64, sym_name = "W", type = memref<3x4xf32>}
  // CHECK:      sym_name = "aa.row", type = memref<5xi32>}
  // CHECK-NEXT: sym_name = "aa.bits", type = memref<4xi16>}
  // CHECK-NEXT: "step.buffer"() {every = 1 : i64, high = 4 : i64, kind = "probe", low = 0 : i64, of = @a.V, record = "value", slots = 1 : i64, sym_name = "probe.a.V", type = memref<4xf32>}
  // CHECK-NEXT: "step.table"() {arrays = {w = @W}, element = f32, format = "dense", post = 4 : i64, pre = 3 : i64, sym_name = "xa"}
  // CHECK-NEXT: "step.table"() {arrays = {bits = @aa.bits, row = @aa.row}, element = f32, format = "bitmap", post = 4 : i64, pre = 4 : i64, sym_name = "aa", weight = 5.000000e-01 : f32}
  // CHECK-LABEL: func.func @init(
  // CHECK-NEXT:   "step.draw"(%{{.+}}) {into = @a.V, key = 0 : i64, path = "a.V", seed = 11 : i64}
  // CHECK-NEXT:   return
  // CHECK-LABEL: func.func @finish(
  // CHECK-NEXT:   return
  // CHECK-LABEL: func.func private @stage.a(
  // CHECK-NEXT:   "step.fill"(%{{.+}}) {into = @a.port.I, value = 0.000000e+00 : f32}
  // CHECK-NEXT:   "step.propagate"(%{{.+}}) {delay = 0 : i64, from = @input.x, into = @a.port.I, low = 0 : i64, mode = "event", table = @xa, tally = @xa.synaptic_events}
  // CHECK-NEXT:   "step.propagate"(%{{.+}}) {delay = 2 : i64, from = @a.spike, into = @a.port.I, low = 0 : i64, mode = "event", table = @aa, tally = @aa.synaptic_events}
  // CHECK-NEXT:   "step.update"(%{{.+}}) {args = [@a.port.I, @a.V], delays = [0, 0], program = @LIF, results = [@a.V, @a.spike], size = 4 : i64}
  // CHECK-NEXT:   "step.tally"(%{{.+}}) {into = @a.emitted, of = @a.spike}
  // CHECK-NEXT:   return
  // CHECK-LABEL: func.func private @stage.flow(
  // CHECK-NEXT:   "step.copy"(%{{.+}}) {delay = 0 : i64, from = @a.spike, into = @output.y, low = 0 : i64, size = 4 : i64, to = 0 : i64}
  // CHECK-NEXT:   return
  // CHECK-LABEL: func.func private @stage.record(
  // CHECK-NEXT:   "step.record"(%{{.+}}) {into = @probe.a.V}
  // CHECK-NEXT:   return
  // CHECK-LABEL: func.func @step(
  // CHECK-NEXT:   call @stage.a
  // CHECK-NEXT:   call @stage.flow
  // CHECK-NEXT:   call @stage.record
  // CHECK-NEXT:   return
  // CHECK-LABEL: func.func @run(
  // CHECK-NEXT:   %[[ONE:.+]] = arith.constant 1 : index
  // CHECK-NEXT:   scf.for %[[T:.+]] = %{{.+}} to %{{.+}} step %[[ONE]] {
  // CHECK-NEXT:     func.call @stage.a(%[[T]])
  // CHECK-NEXT:     func.call @stage.flow(%[[T]])
  // CHECK-NEXT:     func.call @stage.record(%[[T]])
  // CHECK-NEXT:   }
  // CHECK-NEXT:   return
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
  func.func private @apart(%pre: i64, %post: i64) -> i1 {
    %r = arith.cmpi ne, %pre, %post : i64
    return %r : i1
  }
  "snn.constant"() {sym_name = "W", type = tensor<3x4xf32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "xa", pre = 3, post = 4, connect = {kind = "all"}, weight = @W} : () -> ()
  "snn.synapses"() {sym_name = "aa", pre = 4, post = 4, connect = {kind = "all", filter = @apart}, weight = 0.5 : f32} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<4xf32>, depth = 1} : () -> ()
  "snn.state"() {sym_name = "a.spike", type = tensor<4xi1>, init = false, depth = 2} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @LIF, shape = [4], states = [@a.V], params = [], event = @a.spike} : () -> ()
  "snn.probe"() {sym_name = "probe.a.V", of = @a.V, kind = "value", every = 1, low = 0, high = 4, shape = [4]} : () -> ()
  func.func @init() {
    %u = "snn.draw"() {path = "a.V", seed = 11} : () -> tensor<4xf32>
    "snn.write"(%u) {to = @a.V} : (tensor<4xf32>) -> ()
    return
  }
  func.func @step(%x: tensor<3xi1> {snn.name = "x", snn.kind = "spikes"}) -> (tensor<4xi1> {snn.name = "y"}) {
    %z = arith.constant dense<0.0> : tensor<4xf32>
    %0 = "snn.propagate"(%x, %z) {synapses = @xa} : (tensor<3xi1>, tensor<4xf32>) -> tensor<4xf32>
    %h = "snn.read"() {of = @a.spike, delay = 2} : () -> tensor<4xi1>
    %1 = "snn.propagate"(%h, %0) {synapses = @aa} : (tensor<4xi1>, tensor<4xf32>) -> tensor<4xf32>
    %y = "snn.update"(%1) {population = @a} : (tensor<4xf32>) -> tensor<4xi1>
    return %y : tensor<4xi1>
  }
}
