// Two populations, each driven by the other's potential at the start of the step: one old value needs a copy.
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
  "snn.param"() {sym_name = "decay", value = 0.9 : f32} : () -> ()
  "snn.state"() {sym_name = "a.V", type = tensor<6xf32>, init = 0.25 : f32, depth = 1} : () -> ()
  "snn.state"() {sym_name = "b.V", type = tensor<6xf32>, init = 0.75 : f32, depth = 1} : () -> ()
  "snn.population"() {sym_name = "a", neuron = @LIF, shape = [6], states = [@a.V], params = [@decay]} : () -> ()
  "snn.population"() {sym_name = "b", neuron = @LIF, shape = [6], states = [@b.V], params = [@decay]} : () -> ()
  "snn.probe"() {sym_name = "probe.a.V", of = @a.V, kind = "value", every = 1, low = 0, high = 6, shape = [6]} : () -> ()
  "snn.probe"() {sym_name = "probe.b.V", of = @b.V, kind = "value", every = 1, low = 0, high = 6, shape = [6]} : () -> ()
  func.func @step(%x: tensor<6xf32> {snn.name = "x", snn.kind = "real"}) -> (tensor<6xi1> {snn.name = "sa"}, tensor<6xi1> {snn.name = "sb"}) {
    %va = "snn.read"() {of = @a.V, delay = 1} : () -> tensor<6xf32>
    %vb = "snn.read"() {of = @b.V, delay = 1} : () -> tensor<6xf32>
    %ga = arith.subf %vb, %va : tensor<6xf32>
    %ia = arith.addf %ga, %x : tensor<6xf32>
    %sa = "snn.update"(%ia) {population = @a} : (tensor<6xf32>) -> tensor<6xi1>
    %gb = arith.subf %va, %vb : tensor<6xf32>
    %real = arith.uitofp %sa : tensor<6xi1> to tensor<6xf32>
    %ib = arith.addf %gb, %real : tensor<6xf32>
    %sb = "snn.update"(%ib) {population = @b} : (tensor<6xf32>) -> tensor<6xi1>
    return %sa, %sb : tensor<6xi1>, tensor<6xi1>
  }
}
