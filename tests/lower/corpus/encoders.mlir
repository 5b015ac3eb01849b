// Random encoders, the clock, and draws at the beginning and the end.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  "snn.constant"() {sym_name = "W", type = tensor<8x5xf32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "w", pre = 8, post = 5, connect = {kind = "all"}, weight = @W} : () -> ()
  "snn.state"() {sym_name = "mean", type = tensor<5xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "phase", type = tensor<8xf32>, depth = 1} : () -> ()
  func.func @init() {
    %u = "snn.draw"() {path = "phase", seed = 3} : () -> tensor<8xf32>
    %two = arith.constant dense<2.0> : tensor<8xf32>
    %p = arith.mulf %u, %two : tensor<8xf32>
    "snn.write"(%p) {to = @phase} : (tensor<8xf32>) -> ()
    return
  }
  func.func @step(%x: tensor<8xf32> {snn.name = "x", snn.kind = "real"}) -> (tensor<8xi1> {snn.name = "s"}, tensor<5xf32> {snn.name = "y"}) {
    %z = arith.constant dense<0.0> : tensor<5xf32>
    %u = "snn.draw"() {path = "enc", seed = 5} : () -> tensor<8xf32>
    %unused = "snn.draw"() {path = "nothing", seed = 6} : () -> tensor<8xf32>
    %phase = "snn.read"() {of = @phase, delay = 1} : () -> tensor<8xf32>
    %rate = arith.mulf %x, %phase : tensor<8xf32>
    %s = arith.cmpf olt, %u, %rate : tensor<8xf32>
    %y = "snn.propagate"(%s, %z) {synapses = @w} : (tensor<8xi1>, tensor<5xf32>) -> tensor<5xf32>
    %m = "snn.read"() {of = @mean, delay = 1} : () -> tensor<5xf32>
    %m1 = arith.addf %m, %y : tensor<5xf32>
    "snn.write"(%m1) {to = @mean} : (tensor<5xf32>) -> ()
    %t = "snn.clock"() : () -> tensor<i64>
    %n = tensor.extract %t[] : tensor<i64>
    %f = arith.sitofp %n : i64 to f32
    %one = arith.constant 1.0 : f32
    %d = arith.addf %f, %one : f32
    %ds = tensor.splat %d : tensor<5xf32>
    %avg = arith.divf %m1, %ds : tensor<5xf32>
    return %s, %avg : tensor<8xi1>, tensor<5xf32>
  }
  func.func @finish() -> (tensor<5xf32> {snn.name = "m"}, tensor<3xf32> {snn.name = "u"}) {
    %m = "snn.read"() {of = @mean, delay = 1} : () -> tensor<5xf32>
    %t = "snn.clock"() : () -> tensor<i64>
    %n = arith.sitofp %t : tensor<i64> to tensor<f32>
    %s = tensor.extract %n[] : tensor<f32>
    %ns = tensor.splat %s : tensor<5xf32>
    %avg = arith.divf %m, %ns : tensor<5xf32>
    %u = "snn.draw"() {path = "end", seed = 1} : () -> tensor<3xf32>
    return %avg, %u : tensor<5xf32>, tensor<3xf32>
  }
}
