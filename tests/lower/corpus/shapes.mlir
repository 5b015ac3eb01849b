// Slices, joins, reshapes, pooling, reductions and broadcasts.
module attributes {snn.model = "M", snn.dt = 1.0e-3 : f64, snn.dt_unit = "s"} {
  func.func private @LIF(%I: f32 {snn.port = "I"}, %V: f32 {snn.state = "V"}, %decay: f32 {snn.param = "decay"}) -> (f32 {snn.state = "V"}, i1 {snn.event}) {
    %0 = arith.mulf %decay, %V : f32
    %1 = arith.addf %0, %I : f32
    %one = arith.constant 1.0 : f32
    %s = arith.cmpf oge, %1, %one : f32
    %2 = arith.subf %1, %one : f32
    %v = arith.select %s, %2, %1 : f32
    return %v, %s : f32, i1
  }
  "snn.constant"() {sym_name = "W", type = tensor<2x4x6xf32>, digest = ""} : () -> ()
  "snn.constant"() {sym_name = "U", type = tensor<6x24xf32>, digest = ""} : () -> ()
  "snn.param"() {sym_name = "decay", value = 0.9 : f32} : () -> ()
  "snn.synapses"() {sym_name = "w", pre = 8, post = 6, connect = {kind = "all"}, weight = @W} : () -> ()
  "snn.synapses"() {sym_name = "u", pre = 6, post = 24, connect = {kind = "all"}, weight = @U} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<4x6xf32>, init = 0.0 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "before", type = tensor<2x4xi1>, init = false, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @LIF, shape = [4, 6], states = [@a.V], params = [@decay]} : () -> ()
  func.func @step(%x: tensor<4x6xi1> {snn.name = "x", snn.kind = "spikes"}, %r: tensor<4x6xf32> {snn.name = "r", snn.kind = "real"})
      -> (tensor<2x3xi1> {snn.name = "pool"}, tensor<6xf32> {snn.name = "rows"}, tensor<i32> {snn.name = "best"}, tensor<4x4xf32> {snn.name = "join"}, tensor<4x6xi1> {snn.name = "s"}, tensor<3xf32> {snn.name = "cut"}, tensor<48xf32> {snn.name = "twice"}) {
    %z6 = arith.constant dense<0.0> : tensor<6xf32>
    %z24 = arith.constant dense<0.0> : tensor<4x6xf32>
    // Rows 1 and 2 of the first four columns: not one stretch.
    %box = tensor.extract_slice %x[1, 0] [2, 4] [1, 1] : tensor<4x6xi1> to tensor<2x4xi1>
    %flat = tensor.collapse_shape %box [[0, 1]] : tensor<2x4xi1> into tensor<8xi1>
    %p = "snn.propagate"(%flat, %z6) {synapses = @w} : (tensor<8xi1>, tensor<6xf32>) -> tensor<6xf32>
    // One row: a stretch, read where it lies.
    %row = tensor.extract_slice %x[2, 0] [1, 6] [1, 1] : tensor<4x6xi1> to tensor<6xi1>
    %q0 = "snn.propagate"(%row, %z24) {synapses = @u} : (tensor<6xi1>, tensor<4x6xf32>) -> tensor<4x6xf32>
    %q = "snn.propagate"(%p, %q0) {synapses = @u} : (tensor<6xf32>, tensor<4x6xf32>) -> tensor<4x6xf32>
    %s = "snn.update"(%q) {population = @a} : (tensor<4x6xf32>) -> tensor<4x6xi1>
    "snn.write"(%box) {to = @before} : (tensor<2x4xi1>) -> ()
    %none = arith.constant dense<false> : tensor<2x3xi1>
    %window = arith.constant dense<0.0> : tensor<2x2xf32>
    %pool = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a * 2 + c, b * 2 + d)>, affine_map<(a, b, c, d) -> (c, d)>, affine_map<(a, b, c, d) -> (a, b)>], iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
        ins(%s, %window : tensor<4x6xi1>, tensor<2x2xf32>) outs(%none : tensor<2x3xi1>) {
    ^bb0(%e: i1, %w: f32, %o: i1):
      %any = arith.ori %e, %o : i1
      linalg.yield %any : i1
    } -> tensor<2x3xi1>
    %five = arith.constant dense<5.0> : tensor<f32>
    %scale = tensor.extract %five[] : tensor<f32>
    %total0 = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a, b)>, affine_map<(a, b) -> ()>], iterator_types = ["reduction", "reduction"]}
        ins(%r : tensor<4x6xf32>) outs(%five : tensor<f32>) {
    ^bb0(%e: f32, %o: f32):
      %c = arith.mulf %e, %scale : f32
      %sum = arith.addf %o, %c : f32
      linalg.yield %sum : f32
    } -> tensor<f32>
    %total = tensor.extract %total0[] : tensor<f32>
    %rows = linalg.generic {indexing_maps = [affine_map<(a, b) -> (b, a)>, affine_map<(a, b) -> (a)>], iterator_types = ["parallel", "reduction"]}
        ins(%r : tensor<4x6xf32>) outs(%p : tensor<6xf32>) {
    ^bb0(%e: f32, %o: f32):
      %c = arith.divf %e, %total : f32
      %sum = arith.addf %o, %c : f32
      linalg.yield %sum : f32
    } -> tensor<6xf32>
    %high = arith.constant dense<-1.0e30> : tensor<f32>
    %zero = arith.constant dense<0> : tensor<i32>
    %best:2 = linalg.generic {indexing_maps = [affine_map<(a) -> (a)>, affine_map<(a) -> ()>, affine_map<(a) -> ()>], iterator_types = ["reduction"]}
        ins(%rows : tensor<6xf32>) outs(%high, %zero : tensor<f32>, tensor<i32>) {
    ^bb0(%e: f32, %m: f32, %n: i32):
      %g = arith.cmpf ogt, %e, %m : f32
      %m1 = arith.select %g, %e, %m : f32
      %one = arith.constant 1 : i32
      %n1 = arith.addi %n, %one : i32
      linalg.yield %m1, %n1 : f32, i32
    } -> (tensor<f32>, tensor<i32>)
    %left = tensor.extract_slice %r[0, 1] [4, 3] [1, 1] : tensor<4x6xf32> to tensor<4x3xf32>
    %right = tensor.extract_slice %r[0, 5] [4, 1] [1, 1] : tensor<4x6xf32> to tensor<4x1xf32>
    %join = tensor.concat dim(1) %right, %left : (tensor<4x1xf32>, tensor<4x3xf32>) -> tensor<4x4xf32>
    %cut = tensor.extract_slice %rows[2] [3] [1] : tensor<6xf32> to tensor<3xf32>
    %rf = tensor.collapse_shape %r [[0, 1]] : tensor<4x6xf32> into tensor<24xf32>
    %neg = arith.negf %rf : tensor<24xf32>
    %twice0 = tensor.concat dim(0) %rf, %neg : (tensor<24xf32>, tensor<24xf32>) -> tensor<48xf32>
    %many = tensor.splat %total : tensor<48xf32>
    %twice = arith.mulf %twice0, %many : tensor<48xf32>
    return %pool, %rows, %best#1, %join, %s, %cut, %twice : tensor<2x3xi1>, tensor<6xf32>, tensor<i32>, tensor<4x4xf32>, tensor<4x6xi1>, tensor<3xf32>, tensor<48xf32>
  }
}
