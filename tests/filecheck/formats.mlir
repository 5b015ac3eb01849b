// RUN: formats{csr=unrolled},lower
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  // A convolution keeps its kernels, in an order of their own.
  // CHECK-DAG: "step.buffer"() {{.*}}sym_name = "kept.w", type = memref<18xf32>
  // CHECK-DAG: "step.table"() {arrays = {w = @kept.w}, connect = {{.*}}, element = f32, format = "conv", post = 968 : i64, pre = 1152 : i64, sym_name = "kept"}
  // By hand it is unrolled.
  // CHECK-DAG: "step.buffer"() {{.*}}sym_name = "unrolled.w", type = memref<{{[0-9]+}}xf32>
  // CHECK-DAG: "step.table"() {{.*}}format = "csr", {{.*}}sym_name = "unrolled"}
  "snn.constant"() {sym_name = "K", type = tensor<2x1x3x3xf32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "kept", pre = 1152, post = 968, connect = {kind = "conv", input = [2, 24, 24], output = [2, 22, 22], kernel = [3, 3], stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 2}, weight = @K} : () -> ()
  "snn.synapses"() {sym_name = "unrolled", pre = 1152, post = 968, connect = {kind = "conv", input = [2, 24, 24], output = [2, 22, 22], kernel = [3, 3], stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 2}, weight = @K} : () -> ()
  func.func @step(%x: tensor<1152xi1> {snn.name = "x"}) -> (tensor<968xf32> {snn.name = "y"}) {
    %zero = arith.constant dense<0.0> : tensor<968xf32>
    %a = "snn.propagate"(%x, %zero) {synapses = @kept} : (tensor<1152xi1>, tensor<968xf32>) -> tensor<968xf32>
    %b = "snn.propagate"(%x, %a) {synapses = @unrolled} : (tensor<1152xi1>, tensor<968xf32>) -> tensor<968xf32>
    return %b : tensor<968xf32>
  }
}
