// RUN: sparsify
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  // Without options what is zero is no synapse any more.
  // CHECK: "snn.synapses"() {connect = {kind = "one_to_one", nonzero}, {{.*}}sym_name = "p", weight = @signs}
  "snn.constant"() {sym_name = "signs", type = tensor<4xi32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "p", pre = 4, post = 4, connect = {kind = "one_to_one"}, weight = @signs} : () -> ()
  // One number is no array.
  // CHECK: "snn.synapses"() {connect = {kind = "all"}, {{.*}}sym_name = "q", weight = 0 : i32}
  "snn.synapses"() {sym_name = "q", pre = 4, post = 4, connect = {kind = "all"}, weight = 0 : i32} : () -> ()
  func.func @step(%x: tensor<4xi1> {snn.name = "x"}) -> (tensor<4xi32> {snn.name = "y"}) {
    %zero = arith.constant dense<0> : tensor<4xi32>
    %a = "snn.propagate"(%x, %zero) {synapses = @p} : (tensor<4xi1>, tensor<4xi32>) -> tensor<4xi32>
    %b = "snn.propagate"(%x, %a) {synapses = @q} : (tensor<4xi1>, tensor<4xi32>) -> tensor<4xi32>
    return %b : tensor<4xi32>
  }
}
