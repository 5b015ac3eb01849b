// RUN: formats{procedural="p,q"},lower
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  // No synapse is stored: the table says how they are drawn, and from which stream under the run seed.
  // CHECK-NOT: kind = "constant"
  // CHECK: "step.table"() {arrays = {}, connect = {kind = "prob", p = 2.500000e-01 : f64}, element = f32, format = "procedural", key = [{{[0-9]+}}, {{[0-9]+}}], post = 6 : i64, pre = 4 : i64, sym_name = "p", weight = 5.000000e-01 : f32}
  // CHECK: connect = {filter = @apart, kind = "prob", p = 1.000000e-01 : f64}, {{.*}}sym_name = "q"
  // CHECK: func.func private @apart
  "snn.synapses"() {sym_name = "p", pre = 4, post = 6, connect = {kind = "prob", p = 0.25, seed = 1 : i64, path = "p"}, weight = 0.5 : f32} : () -> ()
  "snn.synapses"() {sym_name = "q", pre = 4, post = 6, connect = {kind = "prob", p = 0.1, seed = 2 : i64, path = "q", filter = @apart}, weight = 0.5 : f32} : () -> ()
  func.func private @apart(%pre: i64, %post: i64) -> i1 {
    %0 = arith.cmpi ne, %pre, %post : i64
    return %0 : i1
  }
  func.func @step(%x: tensor<4xi1> {snn.name = "x"}) -> (tensor<6xf32> {snn.name = "y"}) {
    %zero = arith.constant dense<0.0> : tensor<6xf32>
    %a = "snn.propagate"(%x, %zero) {synapses = @p} : (tensor<4xi1>, tensor<6xf32>) -> tensor<6xf32>
    %b = "snn.propagate"(%x, %a) {synapses = @q} : (tensor<4xi1>, tensor<6xf32>) -> tensor<6xf32>
    return %b : tensor<6xf32>
  }
}
