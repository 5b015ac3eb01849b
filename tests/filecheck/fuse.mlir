// RUN: fuse
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  // The gain with which the program takes its port is gone too.
  // CHECK:      func.func private @N(%[[I:[a-z0-9]+]]: f32 {snn.port = "I"}, %[[V:[a-z0-9]+]]: f32
  // CHECK-NEXT:   %[[X:.+]] = arith.addf %[[V]], %[[I]] : f32
  // CHECK-NEXT:   return %[[X]]
  func.func private @N(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}, f32 {snn.out}) {
    %dt = arith.constant 0.125 : f32
    %0 = arith.mulf %dt, %I : f32
    %1 = arith.addf %V, %0 : f32
    return %1, %1 : f32, f32
  }
  // 0.5 * 4 * 0.125
  // CHECK: "snn.synapses"() {{.*}}sym_name = "w", weight = 2.500000e-01 : f32
  "snn.synapses"() {sym_name = "w", pre = 4, post = 4, connect = {kind = "all"}, weight = 0.5 : f32} : () -> ()
  "snn.state"() {sym_name = "n.V", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "n", neuron = @N, shape = [4], states = [@n.V], params = []} : () -> ()
  // CHECK:      func.func @step(%[[IN:.+]]: tensor<4xf32>
  // CHECK-NEXT:   %[[Z:.+]] = arith.constant dense<0.000000e+00>
  // CHECK-NEXT:   %[[A:.+]] = "snn.propagate"(%[[IN]], %[[Z]])
  // CHECK-NEXT:   %[[S:.+]] = arith.constant dense<3.750000e-01>
  // CHECK-NEXT:   %[[P:.+]] = arith.addf %[[A]], %[[S]]
  // CHECK-NEXT:   %[[Y:.+]] = "snn.update"(%[[P]])
  // CHECK-NEXT:   return %[[Y]]
  func.func @step(%x: tensor<4xf32> {snn.name = "x"}) -> (tensor<4xf32> {snn.name = "y"}) {
    %zero = arith.constant dense<0.0> : tensor<4xf32>
    %gain = arith.constant dense<4.0> : tensor<4xf32>
    %shift = arith.constant dense<1.0> : tensor<4xf32>
    %bias = arith.constant dense<2.0> : tensor<4xf32>
    %a = "snn.propagate"(%x, %zero) {synapses = @w} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %b = arith.mulf %a, %gain : tensor<4xf32>
    %c = arith.addf %b, %shift : tensor<4xf32>
    %d = arith.addf %bias, %c : tensor<4xf32>
    %y = "snn.update"(%d) {population = @n} : (tensor<4xf32>) -> tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
