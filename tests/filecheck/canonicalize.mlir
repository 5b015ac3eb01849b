// RUN: canonicalize
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  // CHECK-LABEL: func.func private @N(
  // CHECK-SAME:      %[[V:[a-z0-9]+]]: f32
  // CHECK-NEXT:    %[[C:.+]] = arith.constant 7.500000e-01 : f32
  // CHECK-NEXT:    %[[X:.+]] = arith.mulf %[[C]], %[[V]] : f32
  // CHECK-NEXT:    %[[Z:.+]] = arith.addf %[[X]], %[[X]] : f32
  // CHECK-NEXT:    return %[[Z]] : f32
  func.func private @N(%V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}) {
    %a = arith.constant 0.5 : f32
    %b = arith.constant 0.25 : f32
    %c = arith.addf %a, %b : f32
    %x = arith.mulf %c, %V : f32
    %y = arith.mulf %c, %V : f32
    %z = arith.addf %x, %y : f32
    return %z : f32
  }
  // CHECK-NOT: @unused
  func.func private @unused(%a: f32) -> f32 {
    return %a : f32
  }
  "snn.constant"() {sym_name = "unused.array", type = tensor<4xf32>, digest = ""} : () -> ()
  "snn.param"() {sym_name = "unused.param", value = @unused.array} : () -> ()
  // A projection and a population stay: a run reports them.
  // CHECK: "snn.synapses"() {{.*}}sym_name = "idle"
  "snn.synapses"() {sym_name = "idle", pre = 4, post = 4, connect = {kind = "all"}, weight = 1.0 : f32} : () -> ()
  "snn.synapses"() {sym_name = "w", pre = 4, post = 4, connect = {kind = "all"}, weight = 1.0 : f32} : () -> ()
  "snn.state"() {sym_name = "n.V", type = tensor<4xf32>, init = 1.0 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "n", neuron = @N, shape = [4], states = [@n.V], params = []} : () -> ()
  // CHECK-LABEL: func.func @step
  func.func @step(%x: tensor<4xf32> {snn.name = "x"}) -> (tensor<4xf32> {snn.name = "y"}) {
    // CHECK-NEXT: %[[TINY:.+]] = arith.constant dense<0.000000e+00> : tensor<4xf32>
    // CHECK-NEXT: %[[READ:.+]] = "snn.read"
    // CHECK-NEXT: "snn.propagate"(%{{.+}}, %[[TINY]])
    // CHECK-NEXT: "snn.propagate"(%{{.+}}, %[[TINY]])
    // CHECK-NEXT: "snn.update"()
    // CHECK-NEXT: %[[Y:.+]] = arith.mulf %[[READ]], %[[READ]]
    // CHECK-NEXT: return %[[Y]]
    %small = arith.constant dense<1.0e-30> : tensor<4xf32>
    // The product is subnormal, which counts as zero.
    %tiny = arith.mulf %small, %small : tensor<4xf32>
    %a = "snn.read"() {of = @n.V, delay = 1} : () -> tensor<4xf32>
    %b = "snn.read"() {of = @n.V, delay = 1} : () -> tensor<4xf32>
    %unused = math.exp %b : tensor<4xf32>
    // Equal and unused, yet both are counted.
    %p = "snn.propagate"(%x, %tiny) {synapses = @w} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %q = "snn.propagate"(%x, %tiny) {synapses = @w} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    "snn.update"() {population = @n} : () -> ()
    %y = arith.mulf %a, %b : tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
