// spikec failed in: passes
// Traceback (most recent call last):
//   File "/work/main/compiler/driver.py", line 63, in stage
//     yield
//   File "/work/main/compiler/driver.py", line 110, in optimize
//     return pipeline.run(program, compilation.options.pipeline, compilation.watch, compilation.seconds)
//            ^^^^^^^^^^^^
// AttributeError: 'function' object has no attribute 'run'
// 
// The above exception was the direct cause of the following exception:
// 
// Traceback (most recent call last):
//   File "/work/main/compiler/cli.py", line 58, in _guarded
//     return COMMANDS[arguments.command](arguments, terminal)
//            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
//   File "/work/main/compiler/cli.py", line 250, in _run
//     net = _network(arguments, terminal)
//           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
//   File "/work/main/compiler/cli.py", line 289, in _network
//     net = driver.executable(compilation)
//           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
//   File "/work/main/compiler/driver.py", line 134, in executable
//     return _remembered(compilation, target) or _compiled(compilation, target)
//                                                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
//   File "/work/main/compiler/driver.py", line 221, in _compiled
//     program = optimize(compilation, built.program)
//               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
//   File "/work/main/compiler/driver.py", line 109, in optimize
//     with compilation.stage("passes", program):
//   File "/root/.pyenv/versions/3.11.7/lib/python3.11/contextlib.py", line 158, in __exit__
//     self.gen.throw(typ, value, traceback)
//   File "/work/main/compiler/driver.py", line 68, in stage
//     raise InternalError(message, name, program.text() if program else "") from error
// spikec.dialects.diagnostics.InternalError: AttributeError: 'function' object has no attribute 'run'
module attributes {snn.dt = 1.000000e-04 : f64, snn.dt_unit = "s", snn.model = "OneNeuron"} {
  func.func private @cell.LIF(%arg0: f32 {snn.port = "I"}, %arg1: f32 {snn.state = "V"}, %arg2: i8 {snn.state = "hold.V"}) -> (f32 {snn.state = "V"}, i8 {snn.state = "hold.V"}, i1 {snn.event}) {
    %c0_i8 = arith.constant 0 : i8
    %0 = arith.cmpi sgt, %arg2, %c0_i8 : i8
    %c1_i8 = arith.constant 1 : i8
    %1 = arith.subi %arg2, %c1_i8 : i8
    %2 = arith.select %0, %1, %c0_i8 : i8
    %cst = arith.constant 2.000000e-10 : f32
    %3 = arith.divf %arg0, %cst : f32
    %cst_0 = arith.constant 0.995012462 : f32
    %4 = arith.mulf %cst_0, %arg1 : f32
    %cst_1 = arith.constant 9.97504175E-5 : f32
    %5 = arith.mulf %cst_1, %3 : f32
    %6 = arith.addf %4, %5 : f32
    %cst_2 = arith.constant -3.24188848E-4 : f32
    %7 = arith.addf %6, %cst_2 : f32
    %8 = arith.select %0, %arg1, %7 : f32
    %cst_3 = arith.constant -5.000000e-02 : f32
    %9 = arith.cmpf oge, %8, %cst_3 : f32
    %true = arith.constant true
    %10 = arith.xori %0, %true : i1
    %11 = arith.andi %9, %10 : i1
    %cst_4 = arith.constant -6.500000e-02 : f32
    %12 = arith.select %0, %8, %cst_4 : f32
    %13 = arith.select %11, %12, %8 : f32
    %c20_i8 = arith.constant 20 : i8
    %14 = arith.select %11, %c20_i8, %2 : i8
    return %13, %14, %11 : f32, i8, i1
  }
  "snn.state"() {depth = 1 : i64, init = -6.500000e-02 : f32, sym_name = "cell.V", type = tensor<1xf32>, unit = "V"} : () -> ()
  "snn.state"() {depth = 1 : i64, init = 0 : i8, sym_name = "cell.hold.V", type = tensor<1xi8>} : () -> ()
  "snn.state"() {depth = 1 : i64, init = false, sym_name = "cell.spike", type = tensor<1xi1>} : () -> ()
  "snn.population"() {event = @cell.spike, neuron = @cell.LIF, params = [], shape = [1], states = [@cell.V, @cell.hold.V], sym_name = "cell"} : () -> ()
  "snn.probe"() {every = 1 : i64, high = 1 : i64, kind = "value", low = 0 : i64, of = @cell.V, shape = [1], sym_name = "probe.cell.V"} : () -> ()
  "snn.probe"() {every = 1 : i64, high = 1 : i64, kind = "event", low = 0 : i64, of = @cell.spike, shape = [1], sym_name = "probe.cell.spike"} : () -> ()
  func.func @init() {
    return
  }
  func.func @step(%arg0: tensor<1xf32> {snn.kind = "real", snn.name = "I", snn.unit = "A"}) -> (tensor<1xi1> {snn.name = "spike"}) {
    %0 = "snn.update"(%arg0) {population = @cell} : (tensor<1xf32>) -> tensor<1xi1>
    return %0 : tensor<1xi1>
  }
  func.func @finish() {
    return
  }
}

