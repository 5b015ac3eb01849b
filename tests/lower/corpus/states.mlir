// Initial values, histories and states that are not neurons'.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  "snn.constant"() {sym_name = "C", type = tensor<5xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "B", type = tensor<5xi1>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "K", type = tensor<5x5xf32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "k", pre = 5, post = 5, connect = {kind = "all"}, weight = @K} : () -> ()
  "snn.state"() {sym_name = "fixed", type = tensor<5xf32>, init = @C, depth = 1} : () -> ()
  "snn.state"() {sym_name = "fixed.far", type = tensor<5xf32>, init = @C, depth = 4} : () -> ()
  "snn.state"() {sym_name = "array", type = tensor<5xf32>, init = @C, depth = 1} : () -> ()
  "snn.state"() {sym_name = "deep", type = tensor<5xf32>, init = -1.5 : f32, depth = 3} : () -> ()
  "snn.state"() {sym_name = "deep.zero", type = tensor<5xf32>, init = 0.0 : f32, depth = 4} : () -> ()
  "snn.state"() {sym_name = "negative", type = tensor<5xf32>, init = -0.0 : f32, depth = 2} : () -> ()
  "snn.state"() {sym_name = "flag", type = tensor<5xi1>, init = true, depth = 1} : () -> ()
  "snn.state"() {sym_name = "mask", type = tensor<5xi1>, init = @B, depth = 1} : () -> ()
  "snn.state"() {sym_name = "swap.a", type = tensor<5xf32>, init = 1.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "swap.b", type = tensor<5xf32>, init = 2.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "seen", type = tensor<5xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "kept", type = tensor<5xf32>, init = 4.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "one", type = tensor<5xi1>, init = false, depth = 1} : () -> ()
  "snn.state"() {sym_name = "begun", type = tensor<5xi1>, depth = 1} : () -> ()
  "snn.probe"() {sym_name = "probe.fixed", of = @fixed, kind = "value", every = 4, low = 0, high = 5, shape = [5]} : () -> ()
  "snn.probe"() {sym_name = "probe.deep", of = @deep, kind = "value", every = 1, low = 0, high = 5, shape = [5]} : () -> ()
  "snn.probe"() {sym_name = "probe.deep.zero", of = @deep.zero, kind = "value", every = 1, low = 0, high = 5, shape = [5]} : () -> ()
  func.func @init() {
    %yes = arith.constant dense<true> : tensor<5xi1>
    "snn.write"(%yes) {to = @begun} : (tensor<5xi1>) -> ()
    return
  }
  func.func @step(%x: tensor<5xf32> {snn.name = "x", snn.kind = "real"}) -> (tensor<5xf32> {snn.name = "y"}, tensor<5xf32> {snn.name = "zero"}, tensor<5xf32> {snn.name = "again"}, tensor<5xf32> {snn.name = "same"}, tensor<5xf32> {snn.name = "swapped"}, tensor<5xf32> {snn.name = "sum"}, tensor<5xf32> {snn.name = "past"}) {
    %z = arith.constant dense<0.0> : tensor<5xf32>
    %fixed = "snn.read"() {of = @fixed, delay = 1} : () -> tensor<5xf32>
    %ff = "snn.read"() {of = @fixed.far, delay = 4} : () -> tensor<5xf32>
    %arr = "snn.read"() {of = @array, delay = 1} : () -> tensor<5xf32>
    %d1 = "snn.read"() {of = @deep, delay = 1} : () -> tensor<5xf32>
    %d3 = "snn.read"() {of = @deep, delay = 3} : () -> tensor<5xf32>
    %z1 = "snn.read"() {of = @deep.zero, delay = 1} : () -> tensor<5xf32>
    %z4 = "snn.read"() {of = @deep.zero, delay = 4} : () -> tensor<5xf32>
    %neg = "snn.read"() {of = @negative, delay = 2} : () -> tensor<5xf32>
    %neg1 = "snn.read"() {of = @negative, delay = 1} : () -> tensor<5xf32>
    %flag = "snn.read"() {of = @flag, delay = 1} : () -> tensor<5xi1>
    %mask = "snn.read"() {of = @mask, delay = 1} : () -> tensor<5xi1>
    %one = "snn.read"() {of = @one, delay = 1} : () -> tensor<5xi1>
    %begun = "snn.read"() {of = @begun, delay = 1} : () -> tensor<5xi1>
    %a = "snn.read"() {of = @swap.a, delay = 1} : () -> tensor<5xf32>
    %b = "snn.read"() {of = @swap.b, delay = 1} : () -> tensor<5xf32>
    %kept = "snn.read"() {of = @kept, delay = 1} : () -> tensor<5xf32>
    "snn.write"(%b) {to = @swap.a} : (tensor<5xf32>) -> ()
    "snn.write"(%a) {to = @swap.b} : (tensor<5xf32>) -> ()
    "snn.write"(%kept) {to = @kept} : (tensor<5xf32>) -> ()
    "snn.write"(%x) {to = @array} : (tensor<5xf32>) -> ()
    %e0 = arith.addf %d1, %x : tensor<5xf32>
    %e = arith.addf %e0, %d3 : tensor<5xf32>
    "snn.write"(%e) {to = @deep} : (tensor<5xf32>) -> ()
    %zz = arith.addf %z1, %x : tensor<5xf32>
    %zy = arith.subf %zz, %z4 : tensor<5xf32>
    "snn.write"(%zy) {to = @deep.zero} : (tensor<5xf32>) -> ()
    %nx = arith.mulf %x, %neg : tensor<5xf32>
    "snn.write"(%nx) {to = @negative} : (tensor<5xf32>) -> ()
    %pos = arith.cmpf ogt, %x, %z : tensor<5xf32>
    "snn.write"(%pos) {to = @flag} : (tensor<5xi1>) -> ()
    "snn.write"(%flag) {to = @mask} : (tensor<5xi1>) -> ()
    %lit = arith.constant dense<true> : tensor<5xi1>
    "snn.write"(%lit) {to = @one} : (tensor<5xi1>) -> ()
    "snn.write"(%pos) {to = @begun} : (tensor<5xi1>) -> ()
    %p0 = "snn.propagate"(%flag, %z) {synapses = @k} : (tensor<5xi1>, tensor<5xf32>) -> tensor<5xf32>
    %p1 = "snn.propagate"(%mask, %p0) {synapses = @k} : (tensor<5xi1>, tensor<5xf32>) -> tensor<5xf32>
    %p2 = "snn.propagate"(%one, %p1) {synapses = @k} : (tensor<5xi1>, tensor<5xf32>) -> tensor<5xf32>
    %p3 = "snn.propagate"(%begun, %p2) {synapses = @k} : (tensor<5xi1>, tensor<5xf32>) -> tensor<5xf32>
    %s0 = arith.addf %e, %fixed : tensor<5xf32>
    %s1 = arith.subf %s0, %ff : tensor<5xf32>
    %s2 = arith.addf %s1, %p3 : tensor<5xf32>
    %n2 = arith.divf %x, %neg1 : tensor<5xf32>
    %sw = arith.divf %a, %b : tensor<5xf32>
    %seen = "snn.read"() {of = @seen, delay = 1} : () -> tensor<5xf32>
    %w = "snn.propagate"(%seen, %seen) {synapses = @k} : (tensor<5xf32>, tensor<5xf32>) -> tensor<5xf32>
    %half = arith.constant dense<0.0625> : tensor<5xf32>
    %wh = arith.mulf %w, %half : tensor<5xf32>
    %w2 = arith.addf %wh, %x : tensor<5xf32>
    "snn.write"(%w2) {to = @seen} : (tensor<5xf32>) -> ()
    return %s2, %z, %n2, %n2, %sw, %w2, %arr : tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<5xf32>, tensor<5xf32>
  }
  func.func @finish() -> (tensor<5xf32> {snn.name = "deep"}, tensor<5xf32> {snn.name = "const"}, tensor<5xf32> {snn.name = "far"}) {
    %d = "snn.read"() {of = @deep, delay = 2} : () -> tensor<5xf32>
    %c = arith.constant dense<7.0> : tensor<5xf32>
    %f = "snn.read"() {of = @fixed.far, delay = 2} : () -> tensor<5xf32>
    return %d, %c, %f : tensor<5xf32>, tensor<5xf32>, tensor<5xf32>
  }
}
