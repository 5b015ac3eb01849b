// RUN: canonicalize
module attributes {snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"} {
  // CHECK-NOT: sym_name = "B"
  "snn.constant"() {sym_name = "B", type = tensor<4xf32>, digest = ""} : () -> ()
  "snn.state"() {sym_name = "b", type = tensor<4xf32>, init = @B, depth = 1} : () -> ()
  // CHECK: "snn.constant"() {{.*}}sym_name = "folded", type = tensor<4xf32>
  // CHECK-NEXT: "snn.state"() {depth = 1 : i64, init = @folded, sym_name = "folded.value", type = tensor<4xf32>}
  // CHECK-NEXT: func.func @step
  // CHECK-NEXT: %[[R:.+]] = "snn.read"() {delay = 1 : i64, of = @folded.value}
  // CHECK-NEXT: %[[Y:.+]] = arith.addf %{{.+}}, %[[R]]
  // CHECK-NEXT: return %[[Y]]
  func.func @step(%x: tensor<4xf32> {snn.name = "x"}) -> (tensor<4xf32> {snn.name = "y"}) {
    %half = arith.constant dense<0.5> : tensor<4xf32>
    %b = "snn.read"() {of = @b, delay = 1} : () -> tensor<4xf32>
    %0 = arith.mulf %b, %half : tensor<4xf32>
    %1 = arith.addf %0, %b : tensor<4xf32>
    %y = arith.addf %x, %1 : tensor<4xf32>
    return %y : tensor<4xf32>
  }
}
