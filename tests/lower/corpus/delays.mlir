// Delays of their own for each synapse: two projections in turn, one of them from the input of this step too; a value in
// between that something else uses as well.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  func.func private @IF(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %0 = arith.addf %V, %I : f32
    %one = arith.constant 1.0 : f32
    %s = arith.cmpf oge, %0, %one : f32
    %zero = arith.constant 0.0 : f32
    %v = arith.select %s, %zero, %0 : f32
    return %v, %s : f32, i1
  }
  func.func private @aa.delay(%pre: i64, %post: i64) -> i64 {
    %four = arith.constant 4 : i64
    %one = arith.constant 1 : i64
    %sum = arith.addi %pre, %post : i64
    %r = arith.remsi %sum, %four : i64
    %d = arith.addi %r, %one : i64
    return %d : i64
  }
  func.func private @xa.delay(%pre: i64, %post: i64) -> i64 {
    %three = arith.constant 3 : i64
    %d = arith.remsi %post, %three : i64
    return %d : i64
  }
  "snn.constant"() {sym_name = "W", type = tensor<12x9xf32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "aa", pre = 9, post = 9, connect = {kind = "all"}, weight = 0.25 : f32, delay = @aa.delay, delay_range = [1, 4]} : () -> ()
  "snn.synapses"() {sym_name = "xa", pre = 12, post = 9, connect = {kind = "all"}, weight = @W, delay = @xa.delay, delay_range = [0, 2]} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<9xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "a.spike", type = tensor<9xi1>, init = false, depth = 4} : () -> ()
  "snn.state"() {sym_name = "x.past", type = tensor<12xi1>, init = false, depth = 2} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @IF, shape = [9], states = [@a.V], params = [], event = @a.spike} : () -> ()
  "snn.probe"() {sym_name = "probe.a.V", of = @a.V, kind = "value", every = 1, low = 0, high = 9, shape = [9]} : () -> ()
  func.func @step(%x: tensor<12xi1> {snn.name = "x", snn.kind = "spikes"}) -> (tensor<9xf32> {snn.name = "older"}) {
    %z = arith.constant dense<0.0> : tensor<9xf32>
    %a4 = "snn.read"() {of = @a.spike, delay = 4} : () -> tensor<9xi1>
    %a3 = "snn.read"() {of = @a.spike, delay = 3} : () -> tensor<9xi1>
    %a2 = "snn.read"() {of = @a.spike, delay = 2} : () -> tensor<9xi1>
    %a1 = "snn.read"() {of = @a.spike, delay = 1} : () -> tensor<9xi1>
    %x2 = "snn.read"() {of = @x.past, delay = 2} : () -> tensor<12xi1>
    %x1 = "snn.read"() {of = @x.past, delay = 1} : () -> tensor<12xi1>
    %0 = "snn.propagate"(%a4, %z) {synapses = @aa, delay = 4} : (tensor<9xi1>, tensor<9xf32>) -> tensor<9xf32>
    %1 = "snn.propagate"(%a3, %0) {synapses = @aa, delay = 3} : (tensor<9xi1>, tensor<9xf32>) -> tensor<9xf32>
    %2 = "snn.propagate"(%a2, %1) {synapses = @aa, delay = 2} : (tensor<9xi1>, tensor<9xf32>) -> tensor<9xf32>
    %3 = "snn.propagate"(%x2, %2) {synapses = @xa, delay = 2} : (tensor<12xi1>, tensor<9xf32>) -> tensor<9xf32>
    %4 = "snn.propagate"(%a1, %3) {synapses = @aa, delay = 1} : (tensor<9xi1>, tensor<9xf32>) -> tensor<9xf32>
    %5 = "snn.propagate"(%x1, %4) {synapses = @xa, delay = 1} : (tensor<12xi1>, tensor<9xf32>) -> tensor<9xf32>
    %6 = "snn.propagate"(%x, %5) {synapses = @xa, delay = 0} : (tensor<12xi1>, tensor<9xf32>) -> tensor<9xf32>
    %y = "snn.update"(%6) {population = @a} : (tensor<9xf32>) -> tensor<9xi1>
    "snn.write"(%x) {to = @x.past} : (tensor<12xi1>) -> ()
    return %3 : tensor<9xf32>
  }
}
