// Written from dialects/rtl.py: run the tests with --update-golden.
irdl.dialect @rtl {
  irdl.operation @constant {
    %results_result = irdl.any
    irdl.results(result: %results_result)
    %attribute_value = irdl.any
    irdl.attributes {"value" = %attribute_value}
  }
  irdl.operation @add {
    %operands_lhs = irdl.any
    %operands_rhs = irdl.any
    irdl.operands(lhs: %operands_lhs, rhs: %operands_rhs)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @sub {
    %operands_lhs = irdl.any
    %operands_rhs = irdl.any
    irdl.operands(lhs: %operands_lhs, rhs: %operands_rhs)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @mul {
    %operands_lhs = irdl.any
    %operands_rhs = irdl.any
    irdl.operands(lhs: %operands_lhs, rhs: %operands_rhs)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @and {
    %operands_lhs = irdl.any
    %operands_rhs = irdl.any
    irdl.operands(lhs: %operands_lhs, rhs: %operands_rhs)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @or {
    %operands_lhs = irdl.any
    %operands_rhs = irdl.any
    irdl.operands(lhs: %operands_lhs, rhs: %operands_rhs)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @xor {
    %operands_lhs = irdl.any
    %operands_rhs = irdl.any
    irdl.operands(lhs: %operands_lhs, rhs: %operands_rhs)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @not {
    %operands_value = irdl.any
    irdl.operands(value: %operands_value)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @reduce {
    %operands_value = irdl.any
    irdl.operands(value: %operands_value)
    %results_result = irdl.any
    irdl.results(result: %results_result)
    %attribute_kind = irdl.any
    irdl.attributes {"kind" = %attribute_kind}
  }
  irdl.operation @shl {
    %operands_value = irdl.any
    %operands_amount = irdl.any
    irdl.operands(value: %operands_value, amount: %operands_amount)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @shru {
    %operands_value = irdl.any
    %operands_amount = irdl.any
    irdl.operands(value: %operands_value, amount: %operands_amount)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @shrs {
    %operands_value = irdl.any
    %operands_amount = irdl.any
    irdl.operands(value: %operands_value, amount: %operands_amount)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @cmp {
    %operands_lhs = irdl.any
    %operands_rhs = irdl.any
    irdl.operands(lhs: %operands_lhs, rhs: %operands_rhs)
    %results_result = irdl.any
    irdl.results(result: %results_result)
    %attribute_predicate = irdl.any
    irdl.attributes {"predicate" = %attribute_predicate}
  }
  irdl.operation @mux {
    %operands_condition = irdl.any
    %operands_when_true = irdl.any
    %operands_when_false = irdl.any
    irdl.operands(condition: %operands_condition, when_true: %operands_when_true, when_false: %operands_when_false)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @concat {
    %operands_high = irdl.any
    %operands_low = irdl.any
    irdl.operands(high: %operands_high, low: %operands_low)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @extract {
    %operands_value = irdl.any
    irdl.operands(value: %operands_value)
    %results_result = irdl.any
    irdl.results(result: %results_result)
    %attribute_low = irdl.any
    irdl.attributes {"low" = %attribute_low}
  }
  irdl.operation @zext {
    %operands_value = irdl.any
    irdl.operands(value: %operands_value)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @sext {
    %operands_value = irdl.any
    irdl.operands(value: %operands_value)
    %results_result = irdl.any
    irdl.results(result: %results_result)
  }
  irdl.operation @wire {
    %results_value = irdl.any
    irdl.results(value: %results_value)
  }
  irdl.operation @reg {
    %results_value = irdl.any
    irdl.results(value: %results_value)
  }
  irdl.operation @connect {
    %operands_target = irdl.any
    %operands_value = irdl.any
    %operands_enable = irdl.any
    irdl.operands(target: %operands_target, value: %operands_value, enable: variadic %operands_enable)
  }
  irdl.operation @mem {
    %results_memory = irdl.any
    irdl.results(memory: %results_memory)
    %attribute_style = irdl.any
    irdl.attributes {"style" = %attribute_style}
  }
  irdl.operation @read {
    %operands_memory = irdl.any
    %operands_address = irdl.any
    %operands_enable = irdl.any
    irdl.operands(memory: %operands_memory, address: %operands_address, enable: variadic %operands_enable)
    %results_data = irdl.any
    irdl.results(data: %results_data)
  }
  irdl.operation @write {
    %operands_memory = irdl.any
    %operands_address = irdl.any
    %operands_data = irdl.any
    %operands_enable = irdl.any
    irdl.operands(memory: %operands_memory, address: %operands_address, data: %operands_data, enable: %operands_enable)
  }
}
