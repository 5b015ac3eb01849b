// Two populations, each reached by the other's spikes of one step ago: no stage order serves both in one slot.
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
  "snn.constant"() {sym_name = "W", type = tensor<9x7xf32>, digest = ""} : () -> ()
  "snn.param"() {sym_name = "decay", value = 0.9 : f32} : () -> ()
  "snn.synapses"() {sym_name = "ab", pre = 9, post = 7, connect = {kind = "all"}, weight = @W} : () -> ()
  "snn.synapses"() {sym_name = "ba", pre = 7, post = 9, connect = {kind = "all"}, weight = -0.25 : f32} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<9xf32>, init = 0.5 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.V", type = tensor<7xf32>, init = 0.5 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "a.spike", type = tensor<9xi1>, init = false, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.spike", type = tensor<7xi1>, init = false, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @LIF, shape = [9], states = [@a.V], params = [@decay], event = @a.spike} : () -> ()
  "snn.population"() {sym_name = "b", neuron = @LIF, shape = [7], states = [@b.V], params = [@decay], event = @b.spike} : () -> ()
  "snn.probe"() {sym_name = "probe.a.V", of = @a.V, kind = "value", every = 1, low = 0, high = 9, shape = [9]} : () -> ()
  "snn.probe"() {sym_name = "probe.b.spike", of = @b.spike, kind = "event", every = 1, low = 2, high = 7, shape = [5]} : () -> ()
  func.func @step(%x: tensor<9xf32> {snn.name = "x", snn.kind = "real"}) {
    %zb = arith.constant dense<0.0> : tensor<7xf32>
    %sb = "snn.read"() {of = @b.spike, delay = 1} : () -> tensor<7xi1>
    %ia = "snn.propagate"(%sb, %x) {synapses = @ba} : (tensor<7xi1>, tensor<9xf32>) -> tensor<9xf32>
    %ea = "snn.update"(%ia) {population = @a} : (tensor<9xf32>) -> tensor<9xi1>
    %sa = "snn.read"() {of = @a.spike, delay = 1} : () -> tensor<9xi1>
    %ib = "snn.propagate"(%sa, %zb) {synapses = @ab} : (tensor<9xi1>, tensor<7xf32>) -> tensor<7xf32>
    %ib2 = "snn.propagate"(%ea, %ib) {synapses = @ab} : (tensor<9xi1>, tensor<7xf32>) -> tensor<7xf32>
    %eb = "snn.update"(%ib2) {population = @b} : (tensor<7xf32>) -> tensor<7xi1>
    return
  }
  func.func @finish() -> (tensor<7xi1> {snn.name = "last"}, tensor<9xi1> {snn.name = "lasta"}, tensor<i64> {snn.name = "steps"}) {
    %sb = "snn.read"() {of = @b.spike, delay = 1} : () -> tensor<7xi1>
    %sa = "snn.read"() {of = @a.spike, delay = 1} : () -> tensor<9xi1>
    %t = "snn.clock"() : () -> tensor<i64>
    return %sb, %sa, %t : tensor<7xi1>, tensor<9xi1>, tensor<i64>
  }
}
