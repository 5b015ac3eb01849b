// RUN: canonicalize
// Each operation flushes: a subnormal product is zero before it is scaled up again, and exp comes from the table.
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  // CHECK-LABEL: func.func @step
  // CHECK-DAG:   arith.constant dense<0.000000e+00>
  // CHECK-DAG:   arith.constant dense<2.71828175>
  // CHECK-DAG:   arith.constant dense<-2147483648> : tensor<i32>
  // CHECK-DAG:   arith.constant dense<2147483647> : tensor<i32>
  // CHECK-DAG:   arith.floordivsi
  // CHECK:       return
  func.func @step() -> (tensor<f32> {snn.name = "a"}, tensor<f32> {snn.name = "b"}, tensor<i32> {snn.name = "c"}, tensor<i32> {snn.name = "d"}, tensor<i32> {snn.name = "e"}) {
    %tiny = arith.constant dense<1.0e-30> : tensor<f32>
    %big = arith.constant dense<1.0e+30> : tensor<f32>
    %one = arith.constant dense<1.0> : tensor<f32>
    %p = arith.mulf %tiny, %tiny : tensor<f32>
    %q = arith.mulf %p, %big : tensor<f32>
    %e = math.exp %one : tensor<f32>
    %max = arith.constant dense<2147483647> : tensor<i32>
    %i1 = arith.constant dense<1> : tensor<i32>
    %i0 = arith.constant dense<0> : tensor<i32>
    %wrapped = arith.addi %max, %i1 : tensor<i32>
    %saturated = arith.fptosi %big : tensor<f32> to tensor<i32>
    // No result is defined: it is left alone.
    %none = arith.floordivsi %i1, %i0 : tensor<i32>
    return %q, %e, %wrapped, %saturated, %none : tensor<f32>, tensor<f32>, tensor<i32>, tensor<i32>, tensor<i32>
  }
}
