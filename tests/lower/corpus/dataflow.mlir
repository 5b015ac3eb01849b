// Inputs that are passed on, joined and delayed; values with several users; names that meet.
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
  "snn.constant"() {sym_name = "W", type = tensor<6x4xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "V", type = tensor<4x4xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "bias", type = tensor<4xf32>, digest = ""} : () -> ()
  "snn.param"() {sym_name = "decay", value = 0.5 : f32} : () -> ()
  "snn.synapses"() {sym_name = "w", pre = 6, post = 4, connect = {kind = "all"}, weight = @W} : () -> ()
  "snn.synapses"() {sym_name = "v", pre = 4, post = 4, connect = {kind = "all"}, weight = @V} : () -> ()
  "snn.state"() {sym_name = "bias.value", type = tensor<4xf32>, init = @bias, depth = 1} : () -> ()
  "snn.state"() {sym_name = "input.x", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "x.late", type = tensor<6xi1>, init = false, depth = 4} : () -> ()
  "snn.state"() {sym_name = "input.spike", type = tensor<4xi1>, init = false, depth = 2} : () -> ()
  "snn.state"() {sym_name = "copy", type = tensor<4xi1>, init = false, depth = 1} : () -> ()
  "snn.state"() {sym_name = "two", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "three", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "input", neuron = @LIF, shape = [4], states = [@input.x], params = [@decay], event = @input.spike} : () -> ()
  "snn.population"() {sym_name = "record", neuron = @LIF, shape = [4], states = [@two], params = [@decay], event = @copy} : () -> ()
  "snn.probe"() {sym_name = "probe.input.x", of = @input.x, kind = "value", every = 1, low = 0, high = 4, shape = [4]} : () -> ()
  func.func @step(%x: tensor<6xi1> {snn.name = "x", snn.kind = "spikes"}, %r: tensor<6xf32> {snn.name = "r", snn.kind = "real"}, %k: tensor<i64> {snn.name = "k", snn.kind = "int"})
      -> (tensor<6xf32> {snn.name = "r"}, tensor<6xi1> {snn.name = "x"}, tensor<4xf32> {snn.name = "m"}, tensor<4xf32> {snn.name = "h"}, tensor<4xf32> {snn.name = "h2"}, tensor<i64> {snn.name = "k"}, tensor<4xi1> {snn.name = "twice"}) {
    %z = arith.constant dense<0.0> : tensor<4xf32>
    %bias = "snn.read"() {of = @bias.value, delay = 1} : () -> tensor<4xf32>
    %wx = "snn.propagate"(%r, %z) {synapses = @w} : (tensor<6xf32>, tensor<4xf32>) -> tensor<4xf32>
    %wb = arith.addf %wx, %bias : tensor<4xf32>
    %h = math.exp %wb : tensor<4xf32>
    %k64 = tensor.extract %k[] : tensor<i64>
    %kf = arith.sitofp %k64 : i64 to f32
    %ks = tensor.splat %kf : tensor<4xf32>
    %h2 = arith.mulf %h, %ks : tensor<4xf32>
    %vv = "snn.propagate"(%wx, %h) {synapses = @v} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    "snn.write"(%x) {to = @x.late} : (tensor<6xi1>) -> ()
    %late = "snn.read"() {of = @x.late, delay = 4} : () -> tensor<6xi1>
    %late1 = "snn.read"() {of = @x.late, delay = 1} : () -> tensor<6xi1>
    %both = arith.ori %late, %late1 : tensor<6xi1>
    %i0 = "snn.propagate"(%both, %vv) {synapses = @w} : (tensor<6xi1>, tensor<4xf32>) -> tensor<4xf32>
    %s2 = "snn.read"() {of = @input.spike, delay = 2} : () -> tensor<4xi1>
    %i1 = "snn.propagate"(%s2, %i0) {synapses = @v} : (tensor<4xi1>, tensor<4xf32>) -> tensor<4xf32>
    %scale = arith.constant dense<0.001> : tensor<4xf32>
    %i2 = arith.mulf %i1, %scale : tensor<4xf32>
    %e = "snn.update"(%i2) {population = @input} : (tensor<4xf32>) -> tensor<4xi1>
    %cp = "snn.read"() {of = @copy, delay = 1} : () -> tensor<4xi1>
    %or = arith.ori %cp, %e : tensor<4xi1>
    %i3 = "snn.propagate"(%or, %z) {synapses = @v} : (tensor<4xi1>, tensor<4xf32>) -> tensor<4xf32>
    %e2 = "snn.update"(%i3) {population = @record} : (tensor<4xf32>) -> tensor<4xi1>
    "snn.write"(%h) {to = @three} : (tensor<4xf32>) -> ()
    %three = "snn.read"() {of = @three, delay = 1} : () -> tensor<4xf32>
    %diff = arith.subf %h, %three : tensor<4xf32>
    return %r, %x, %diff, %h, %h2, %k, %e2 : tensor<6xf32>, tensor<6xi1>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<i64>, tensor<4xi1>
  }
}
