// RUN: canonicalize
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  // The number goes into the program, where it folds; each population that passes another has a program of its own.
  // CHECK:      func.func private @N.a(%[[V:[a-z0-9]+]]: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}) {
  // CHECK-NEXT:   %[[C:.+]] = arith.constant 7.500000e-01 : f32
  // CHECK-NEXT:   %[[X:.+]] = arith.mulf %[[C]], %[[V]] : f32
  // CHECK-NEXT:   return %[[X]] : f32
  // CHECK:      func.func private @N.b(
  // CHECK-NEXT:   return
  func.func private @N(%V: f32 {snn.state = "V"}, %d: f32 {snn.param = "d"}) -> (f32 {snn.state = "V"}) {
    %b = arith.constant 0.25 : f32
    %c = arith.addf %d, %b : f32
    %x = arith.mulf %c, %V : f32
    return %x : f32
  }
  // CHECK-NOT: snn.param
  "snn.param"() {sym_name = "a.d", value = 0.5 : f32} : () -> ()
  "snn.param"() {sym_name = "b.d", value = 0.75 : f32} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<4xf32>, init = 1.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.V", type = tensor<4xf32>, init = 1.0 : f32, depth = 1} : () -> ()
  // CHECK: "snn.population"() {neuron = @N.a, params = []
  "snn.population"() {sym_name = "a", neuron = @N, shape = [4], states = [@a.V], params = [@a.d]} : () -> ()
  // CHECK: "snn.population"() {neuron = @N.b, params = []
  "snn.population"() {sym_name = "b", neuron = @N, shape = [4], states = [@b.V], params = [@b.d]} : () -> ()
  func.func @step() {
    "snn.update"() {population = @a} : () -> ()
    "snn.update"() {population = @b} : () -> ()
    return
  }
}
