// A stream two steps back, a drawn initial state, a count over the run, probes of both kinds.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  func.func private @LIF(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}, %decay: f32 {snn.param = "decay"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %0 = arith.mulf %decay, %V : f32
    %1 = arith.addf %0, %I : f32
    %one = arith.constant 1.0 : f32
    %s = arith.cmpf oge, %1, %one : f32
    %2 = arith.subf %1, %one : f32
    %v = arith.select %s, %2, %1 : f32
    return %v, %s : f32, i1
  }
  func.func private @aa.if(%pre: i64, %post: i64) -> i1 {
    %r = arith.cmpi ne, %pre, %post : i64
    return %r : i1
  }
  "snn.constant"() {sym_name = "W", type = tensor<32x48xf32>, digest = ""} : () -> ()
  "snn.param"() {sym_name = "a.decay", value = 0.904 : f32} : () -> ()
  "snn.synapses"() {sym_name = "aa", pre = 48, post = 48, connect = {kind = "prob", p = 0.2 : f64, seed = 2 : i64, path = "aa", filter = @aa.if}, weight = 0.5 : f32} : () -> ()
  "snn.synapses"() {sym_name = "xa", pre = 32, post = 48, connect = {kind = "all"}, weight = @W} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<48xf32>, depth = 1, unit = "V"} : () -> ()
  "snn.state"() {sym_name = "a.spike", type = tensor<48xi1>, init = false, depth = 2} : () -> ()
  "snn.state"() {sym_name = "label.count", type = tensor<48xi32>, init = 0 : i32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @LIF, shape = [48], states = [@a.V], params = [@a.decay], event = @a.spike} : () -> ()
  "snn.probe"() {sym_name = "probe.a.V", of = @a.V, kind = "value", every = 3, low = 8, high = 40, shape = [32]} : () -> ()
  "snn.probe"() {sym_name = "probe.a.spike", of = @a.spike, kind = "event", every = 1, low = 0, high = 48, shape = [48]} : () -> ()
  func.func @init() {
    %u = "snn.draw"() {path = "a.V", seed = 11} : () -> tensor<48xf32>
    "snn.write"(%u) {to = @a.V} : (tensor<48xf32>) -> ()
    return
  }
  func.func @step(%x: tensor<32xi1> {snn.name = "x", snn.kind = "spikes"}) -> (tensor<48xi1> {snn.name = "y"}) {
    %z = arith.constant dense<0.0> : tensor<48xf32>
    %0 = "snn.propagate"(%x, %z) {synapses = @xa} : (tensor<32xi1>, tensor<48xf32>) -> tensor<48xf32>
    %h = "snn.read"() {of = @a.spike, delay = 2} : () -> tensor<48xi1>
    %1 = "snn.propagate"(%h, %0) {synapses = @aa} : (tensor<48xi1>, tensor<48xf32>) -> tensor<48xf32>
    %y = "snn.update"(%1) {population = @a} : (tensor<48xf32>) -> tensor<48xi1>
    %c = "snn.read"() {of = @label.count, delay = 1} : () -> tensor<48xi32>
    %e = arith.extui %y : tensor<48xi1> to tensor<48xi32>
    %c1 = arith.addi %c, %e : tensor<48xi32>
    "snn.write"(%c1) {to = @label.count} : (tensor<48xi32>) -> ()
    return %y : tensor<48xi1>
  }
  func.func @finish() -> (tensor<48xi32> {snn.name = "label"}) {
    %c = "snn.read"() {of = @label.count, delay = 1} : () -> tensor<48xi32>
    return %c : tensor<48xi32>
  }
}
