// Every connector, weights of every kind, graded and counted events, a population that never spikes.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  func.func private @Graded(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}) -> (f32 {snn.state = "V"}, f32 {snn.event}) {
    %d = arith.constant 0.5 : f32
    %v0 = arith.mulf %V, %d : f32
    %v = arith.addf %v0, %I : f32
    %s = arith.cmpf ogt, %v, %d : f32
    %z = arith.constant 0.0 : f32
    %e = arith.select %s, %v, %z : f32
    %r = arith.select %s, %z, %v : f32
    return %r, %e : f32, f32
  }
  func.func private @Count(%I: i32 {snn.port = "I"}, %n: i32 {snn.state = "n"}) -> (i32 {snn.state = "n"}, i8 {snn.event}) {
    %four = arith.constant 4 : i32
    %m = arith.addi %n, %I : i32
    %s = arith.remsi %m, %four : i32
    %e = arith.trunci %s : i32 to i8
    return %m, %e : i32, i8
  }
  func.func private @Smooth(%I: f32 {snn.port = "I"}, %x: f32 {snn.state = "x"}) -> (f32 {snn.state = "x"}, f32 {snn.out}) {
    %d = arith.constant 0.5 : f32
    %v0 = arith.mulf %x, %d : f32
    %v = arith.addf %v0, %I : f32
    %o = math.exp %v : f32
    return %v, %o : f32, f32
  }
  func.func private @near(%pre: i64, %post: i64) -> i1 {
    %d = arith.subi %pre, %post : i64
    %a = math.absi %d : i64
    %two = arith.constant 2 : i64
    %r = arith.cmpi sle, %a, %two : i64
    return %r : i1
  }
  func.func private @even(%pre: i64, %post: i64) -> i1 {
    %two = arith.constant 2 : i64
    %half = arith.floordivsi %post, %two : i64
    %back = arith.muli %half, %two : i64
    %r = arith.cmpi eq, %back, %post : i64
    %f = arith.sitofp %pre : i64 to f64
    %q = math.sqrt %f : f64
    %l = arith.constant 2.5 : f64
    %m = arith.cmpf olt, %q, %l : f64
    %b = arith.ori %r, %m : i1
    return %b : i1
  }
  "snn.constant"() {sym_name = "W", type = tensor<10x10xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "L", type = tensor<10xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "N", type = tensor<10x10xi32>, digest = ""} : () -> ()
  "snn.synapses"() {sym_name = "s1", pre = 10, post = 10, connect = {kind = "all", filter = @near}, weight = @W} : () -> ()
  "snn.synapses"() {sym_name = "s2", pre = 10, post = 10, connect = {kind = "one_to_one"}, weight = @L} : () -> ()
  "snn.synapses"() {sym_name = "s3", pre = 10, post = 10, connect = {kind = "one_to_one", filter = @even}, weight = @L} : () -> ()
  "snn.synapses"() {sym_name = "s4", pre = 10, post = 10, connect = {kind = "one_to_one", filter = @even}, weight = 0.5 : f32} : () -> ()
  "snn.synapses"() {sym_name = "s5", pre = 10, post = 10, connect = {kind = "prob", p = 0.5 : f64, seed = 1 : i64, path = "s5", filter = @near}, weight = @W} : () -> ()
  "snn.synapses"() {sym_name = "s6", pre = 10, post = 10, connect = {kind = "prob", p = 1.0 : f64, seed = 1 : i64, path = "s6"}, weight = 0.03125 : f32} : () -> ()
  "snn.synapses"() {sym_name = "s7", pre = 10, post = 10, connect = {kind = "prob", p = 0.0 : f64, seed = 1 : i64, path = "s7"}, weight = @W} : () -> ()
  "snn.synapses"() {sym_name = "n1", pre = 10, post = 10, connect = {kind = "all"}, weight = @N} : () -> ()
  "snn.synapses"() {sym_name = "n2", pre = 10, post = 10, connect = {kind = "all"}, weight = -3 : i32} : () -> ()
  "snn.state"() {sym_name = "g.V", type = tensor<10xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "g.spike", type = tensor<10xf32>, init = 0.0 : f32, depth = 2} : () -> ()
  "snn.state"() {sym_name = "c.n", type = tensor<10xi32>, init = 0 : i32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "c.spike", type = tensor<10xi8>, init = 0 : i8, depth = 1} : () -> ()
  "snn.state"() {sym_name = "o.x", type = tensor<10xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "o.out", type = tensor<10xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "g", neuron = @Graded, shape = [10], states = [@g.V], params = [], event = @g.spike} : () -> ()
  "snn.population"() {sym_name = "c", neuron = @Count, shape = [10], states = [@c.n], params = [], event = @c.spike} : () -> ()
  "snn.population"() {sym_name = "o", neuron = @Smooth, shape = [10], states = [@o.x], params = [], out = @o.out} : () -> ()
  "snn.probe"() {sym_name = "probe.g.spike", of = @g.spike, kind = "event", every = 1, low = 0, high = 10, shape = [10]} : () -> ()
  "snn.probe"() {sym_name = "probe.c.n", of = @c.n, kind = "value", every = 1, low = 0, high = 10, shape = [10]} : () -> ()
  "snn.probe"() {sym_name = "probe.c.spike", of = @c.spike, kind = "event", every = 1, low = 1, high = 9, shape = [8]} : () -> ()
  func.func @step(%x: tensor<10xi1> {snn.name = "x", snn.kind = "spikes"}) -> (tensor<10xf32> {snn.name = "y"}, tensor<10xf32> {snn.name = "e"}, tensor<10xi8> {snn.name = "n"}, tensor<10xf32> {snn.name = "lonely"}) {
    %z = arith.constant dense<0.0> : tensor<10xf32>
    %b = arith.constant dense<0.1> : tensor<10xf32>
    %zi = arith.constant dense<0> : tensor<10xi32>
    %i1 = "snn.propagate"(%x, %b) {synapses = @s1} : (tensor<10xi1>, tensor<10xf32>) -> tensor<10xf32>
    %i2 = "snn.propagate"(%x, %i1) {synapses = @s2} : (tensor<10xi1>, tensor<10xf32>) -> tensor<10xf32>
    %i3 = "snn.propagate"(%x, %i2) {synapses = @s3} : (tensor<10xi1>, tensor<10xf32>) -> tensor<10xf32>
    %g2 = "snn.read"() {of = @g.spike, delay = 2} : () -> tensor<10xf32>
    %i4 = "snn.propagate"(%g2, %i3) {synapses = @s4} : (tensor<10xf32>, tensor<10xf32>) -> tensor<10xf32>
    %i5 = "snn.propagate"(%g2, %i4) {synapses = @s5} : (tensor<10xf32>, tensor<10xf32>) -> tensor<10xf32>
    %e = "snn.update"(%i5) {population = @g} : (tensor<10xf32>) -> tensor<10xf32>
    %p6 = "snn.propagate"(%e, %z) {synapses = @s6} : (tensor<10xf32>, tensor<10xf32>) -> tensor<10xf32>
    %p7 = "snn.propagate"(%x, %p6) {synapses = @s7} : (tensor<10xi1>, tensor<10xf32>) -> tensor<10xf32>
    %o = "snn.update"(%p7) {population = @o} : (tensor<10xf32>) -> tensor<10xf32>
    %c1 = "snn.read"() {of = @c.spike, delay = 1} : () -> tensor<10xi8>
    %n1 = "snn.propagate"(%x, %zi) {synapses = @n1} : (tensor<10xi1>, tensor<10xi32>) -> tensor<10xi32>
    %n2 = "snn.propagate"(%c1, %n1) {synapses = @n2} : (tensor<10xi8>, tensor<10xi32>) -> tensor<10xi32>
    %n = "snn.update"(%n2) {population = @c} : (tensor<10xi32>) -> tensor<10xi8>
    %lonely = "snn.propagate"(%o, %z) {synapses = @s1} : (tensor<10xf32>, tensor<10xf32>) -> tensor<10xf32>
    %dead = "snn.propagate"(%lonely, %p7) {synapses = @s2} : (tensor<10xf32>, tensor<10xf32>) -> tensor<10xf32>
    return %o, %e, %n, %lonely : tensor<10xf32>, tensor<10xf32>, tensor<10xi8>, tensor<10xf32>
  }
}
