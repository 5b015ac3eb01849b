// A port that is a state: arrivals go straight into it, and everything that needs its old value comes before.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  func.func private @COBA(%ge: f32 {snn.port = "ge", snn.state = "ge"}, %I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}, %n: i64 {snn.index}, %theta: f32 {snn.param = "theta"}) -> (f32 {snn.state = "ge"}, f32 {snn.state = "V"}, i1 {snn.event}, f32 {snn.out}) {
    %d = arith.constant 0.75 : f32
    %c = arith.constant 3 : i64
    %g1 = arith.mulf %ge, %d : f32
    %v0 = arith.mulf %V, %d : f32
    %v1 = arith.addf %v0, %ge : f32
    %v2 = arith.addf %v1, %I : f32
    %odd = arith.remsi %n, %c : i64
    %bias = arith.sitofp %odd : i64 to f32
    %t = arith.addf %theta, %bias : f32
    %s = arith.cmpf oge, %v2, %t : f32
    %z = arith.constant 0.0 : f32
    %v = arith.select %s, %z, %v2 : f32
    %o = math.tanh %v : f32
    return %g1, %v, %s, %o : f32, f32, i1, f32
  }
  "snn.constant"() {sym_name = "W", type = tensor<10x12xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "theta.values", type = tensor<12xf32>, digest = ""} : () -> ()
  "snn.param"() {sym_name = "theta", value = @theta.values} : () -> ()
  "snn.synapses"() {sym_name = "xa", pre = 10, post = 12, connect = {kind = "all"}, weight = @W} : () -> ()
  "snn.synapses"() {sym_name = "aa", pre = 12, post = 12, connect = {kind = "prob", p = 0.4 : f64, seed = 0 : i64, path = "aa"}, weight = 0.125 : f32} : () -> ()
  "snn.synapses"() {sym_name = "gg", pre = 12, post = 12, connect = {kind = "one_to_one"}, weight = -0.0625 : f32} : () -> ()
  "snn.state"() {sym_name = "a.ge", type = tensor<12xf32>, init = 0.125 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<12xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "a.spike", type = tensor<12xi1>, init = false, depth = 3} : () -> ()
  "snn.state"() {sym_name = "a.out", type = tensor<12xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.ge", type = tensor<12xf32>, init = 0.5 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.V", type = tensor<12xf32>, init = 0.5 : f32, depth = 3} : () -> ()
  "snn.state"() {sym_name = "b.spike", type = tensor<12xi1>, init = false, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @COBA, shape = [12], states = [@a.ge, @a.V], params = [@theta], event = @a.spike, out = @a.out} : () -> ()
  "snn.population"() {sym_name = "b", neuron = @COBA, shape = [12], states = [@b.ge, @b.V], params = [@theta], event = @b.spike} : () -> ()
  "snn.probe"() {sym_name = "probe.a.ge", of = @a.ge, kind = "value", every = 1, low = 0, high = 12, shape = [12]} : () -> ()
  "snn.probe"() {sym_name = "probe.b.ge", of = @b.ge, kind = "value", every = 1, low = 0, high = 12, shape = [12]} : () -> ()
  "snn.probe"() {sym_name = "probe.b.V", of = @b.V, kind = "value", every = 2, low = 0, high = 12, shape = [12]} : () -> ()
  func.func @step(%x: tensor<10xi1> {snn.name = "x", snn.kind = "spikes"}) -> (tensor<12xf32> {snn.name = "old"}, tensor<12xf32> {snn.name = "far"}) {
    %ge = "snn.read"() {of = @a.ge, delay = 1} : () -> tensor<12xf32>
    %g1 = "snn.propagate"(%x, %ge) {synapses = @xa} : (tensor<10xi1>, tensor<12xf32>) -> tensor<12xf32>
    %s3 = "snn.read"() {of = @a.spike, delay = 3} : () -> tensor<12xi1>
    %g2 = "snn.propagate"(%s3, %g1) {synapses = @aa} : (tensor<12xi1>, tensor<12xf32>) -> tensor<12xf32>
    %out = "snn.read"() {of = @a.out, delay = 1} : () -> tensor<12xf32>
    %ea = "snn.update"(%g2, %out) {population = @a} : (tensor<12xf32>, tensor<12xf32>) -> tensor<12xi1>
    %gb = "snn.read"() {of = @b.ge, delay = 1} : () -> tensor<12xf32>
    %gb1 = "snn.propagate"(%ea, %gb) {synapses = @aa} : (tensor<12xi1>, tensor<12xf32>) -> tensor<12xf32>
    %gb2 = "snn.propagate"(%gb, %gb1) {synapses = @gg} : (tensor<12xf32>, tensor<12xf32>) -> tensor<12xf32>
    %eb = "snn.update"(%gb2, %gb) {population = @b} : (tensor<12xf32>, tensor<12xf32>) -> tensor<12xi1>
    %b1 = "snn.read"() {of = @b.spike, delay = 1} : () -> tensor<12xi1>
    %r = arith.uitofp %b1 : tensor<12xi1> to tensor<12xf32>
    %old = arith.addf %ge, %r : tensor<12xf32>
    %far = "snn.read"() {of = @b.V, delay = 3} : () -> tensor<12xf32>
    %near = "snn.read"() {of = @b.V, delay = 1} : () -> tensor<12xf32>
    %sum = arith.addf %far, %near : tensor<12xf32>
    return %old, %sum : tensor<12xf32>, tensor<12xf32>
  }
  func.func @finish() -> (tensor<12xf32> {snn.name = "end"}) {
    %far = "snn.read"() {of = @b.V, delay = 2} : () -> tensor<12xf32>
    %near = "snn.read"() {of = @b.V, delay = 1} : () -> tensor<12xf32>
    %sum = arith.subf %far, %near : tensor<12xf32>
    return %sum : tensor<12xf32>
  }
}
