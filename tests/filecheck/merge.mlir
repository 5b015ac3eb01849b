// RUN: merge
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  func.func private @N(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %one = arith.constant 1.0 : f32
    %0 = arith.addf %V, %I : f32
    %s = arith.cmpf oge, %0, %one : f32
    return %0, %s : f32, i1
  }
  "snn.state"() {sym_name = "a.V", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.V", type = tensor<4xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "c.V", type = tensor<4xf32>, init = 0.5 : f32, depth = 1} : () -> ()
  // CHECK: sym_name = "a"
  "snn.population"() {sym_name = "a", neuron = @N, shape = [4], states = [@a.V], params = []} : () -> ()
  // CHECK-NOT: sym_name = "b"
  "snn.population"() {sym_name = "b", neuron = @N, shape = [4], states = [@b.V], params = []} : () -> ()
  // Another first value is another population.
  // CHECK: sym_name = "c"
  "snn.population"() {sym_name = "c", neuron = @N, shape = [4], states = [@c.V], params = []} : () -> ()
  // A probe keeps its name.
  // CHECK: "snn.probe"() {{.*}}of = @a.V, {{.*}}sym_name = "probe.b.V"
  "snn.probe"() {sym_name = "probe.b.V", of = @b.V, kind = "value", every = 1, low = 0, high = 4, shape = [4]} : () -> ()
  // CHECK:      func.func @step
  // CHECK-NEXT: %[[A:.+]] = "snn.update"(%{{.+}}) {population = @a}
  // CHECK-NEXT: %[[C:.+]] = "snn.update"(%{{.+}}) {population = @c}
  // CHECK-NEXT: return %[[A]], %[[A]], %[[C]]
  func.func @step(%x: tensor<4xf32> {snn.name = "x"}) -> (tensor<4xi1> {snn.name = "p"}, tensor<4xi1> {snn.name = "q"}, tensor<4xi1> {snn.name = "r"}) {
    %a = "snn.update"(%x) {population = @a} : (tensor<4xf32>) -> tensor<4xi1>
    %b = "snn.update"(%x) {population = @b} : (tensor<4xf32>) -> tensor<4xi1>
    %c = "snn.update"(%x) {population = @c} : (tensor<4xf32>) -> tensor<4xi1>
    return %a, %b, %c : tensor<4xi1>, tensor<4xi1>, tensor<4xi1>
  }
}
