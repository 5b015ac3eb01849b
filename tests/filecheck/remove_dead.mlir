// RUN: remove-dead
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @N(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %one = arith.constant 1.0 : f32
    %0 = arith.addf %V, %I : f32
    %s = arith.cmpf oge, %0, %one : f32
    return %0, %s : f32, i1
  }
  // CHECK-NOT: sym_name = "w"
  "snn.synapses"() {sym_name = "w", pre = 4, post = 4, connect = {kind = "all"}, weight = 0.5 : f32} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.V", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  // CHECK: sym_name = "a"
  "snn.population"() {sym_name = "a", neuron = @N, shape = [4], states = [@a.V], params = []} : () -> ()
  // CHECK-NOT: sym_name = "b
  "snn.population"() {sym_name = "b", neuron = @N, shape = [4], states = [@b.V], params = []} : () -> ()
  // CHECK:      func.func @step
  // CHECK-NEXT: %[[A:.+]] = "snn.update"(%{{.+}}) {population = @a}
  // CHECK-NEXT: return %[[A]]
  func.func @step(%x: tensor<4xf32> {snn.name = "x"}) -> (tensor<4xi1> {snn.name = "y"}) {
    %zero = arith.constant dense<0.0> : tensor<4xf32>
    %a = "snn.update"(%x) {population = @a} : (tensor<4xf32>) -> tensor<4xi1>
    %p = "snn.propagate"(%a, %zero) {synapses = @w} : (tensor<4xi1>, tensor<4xf32>) -> tensor<4xf32>
    %b = "snn.update"(%p) {population = @b} : (tensor<4xf32>) -> tensor<4xi1>
    return %a : tensor<4xi1>
  }
}
