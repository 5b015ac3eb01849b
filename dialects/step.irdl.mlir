// Written from dialects/step.py: run the tests with --update-golden.
irdl.dialect @step {
  irdl.operation @buffer {
    %attribute_sym_name = irdl.any
    %attribute_kind = irdl.any
    %attribute_type = irdl.any
    %attribute_slots = irdl.any
    irdl.attributes {"sym_name" = %attribute_sym_name, "kind" = %attribute_kind, "type" = %attribute_type, "slots" = %attribute_slots}
  }
  irdl.operation @table {
    %attribute_sym_name = irdl.any
    %attribute_format = irdl.any
    %attribute_pre = irdl.any
    %attribute_post = irdl.any
    %attribute_arrays = irdl.any
    %attribute_element = irdl.any
    irdl.attributes {"sym_name" = %attribute_sym_name, "format" = %attribute_format, "pre" = %attribute_pre, "post" = %attribute_post, "arrays" = %attribute_arrays, "element" = %attribute_element}
  }
  irdl.operation @fill {
    %operands_t = irdl.any
    irdl.operands(t: %operands_t)
    %attribute_into = irdl.any
    %attribute_value = irdl.any
    irdl.attributes {"into" = %attribute_into, "value" = %attribute_value}
  }
  irdl.operation @copy {
    %operands_t = irdl.any
    irdl.operands(t: %operands_t)
    %attribute_from = irdl.any
    %attribute_delay = irdl.any
    %attribute_low = irdl.any
    %attribute_into = irdl.any
    %attribute_to = irdl.any
    %attribute_size = irdl.any
    irdl.attributes {"from" = %attribute_from, "delay" = %attribute_delay, "low" = %attribute_low, "into" = %attribute_into, "to" = %attribute_to, "size" = %attribute_size}
  }
  irdl.operation @propagate {
    %operands_t = irdl.any
    irdl.operands(t: %operands_t)
    %attribute_from = irdl.any
    %attribute_delay = irdl.any
    %attribute_low = irdl.any
    %attribute_table = irdl.any
    %attribute_into = irdl.any
    %attribute_mode = irdl.any
    %attribute_tally = irdl.any
    irdl.attributes {"from" = %attribute_from, "delay" = %attribute_delay, "low" = %attribute_low, "table" = %attribute_table, "into" = %attribute_into, "mode" = %attribute_mode, "tally" = %attribute_tally}
  }
  irdl.operation @sweep {
    %operands_t = irdl.any
    irdl.operands(t: %operands_t)
    %attribute_rounds = irdl.any
    %attribute_from = irdl.any
    %attribute_delays = irdl.any
    %attribute_lows = irdl.any
    %attribute_tables = irdl.any
    %attribute_parts = irdl.any
    %attribute_into = irdl.any
    %attribute_modes = irdl.any
    %attribute_tallies = irdl.any
    irdl.attributes {"rounds" = %attribute_rounds, "from" = %attribute_from, "delays" = %attribute_delays, "lows" = %attribute_lows, "tables" = %attribute_tables, "parts" = %attribute_parts, "into" = %attribute_into, "modes" = %attribute_modes, "tallies" = %attribute_tallies}
  }
  irdl.operation @update {
    %operands_t = irdl.any
    irdl.operands(t: %operands_t)
    %attribute_program = irdl.any
    %attribute_size = irdl.any
    %attribute_args = irdl.any
    %attribute_delays = irdl.any
    %attribute_results = irdl.any
    irdl.attributes {"program" = %attribute_program, "size" = %attribute_size, "args" = %attribute_args, "delays" = %attribute_delays, "results" = %attribute_results}
  }
  irdl.operation @map {
    %operands_t = irdl.any
    irdl.operands(t: %operands_t)
    %attribute_program = irdl.any
    %attribute_extents = irdl.any
    %attribute_iterators = irdl.any
    %attribute_args = irdl.any
    %attribute_delays = irdl.any
    %attribute_maps = irdl.any
    %attribute_results = irdl.any
    %attribute_result_maps = irdl.any
    irdl.attributes {"program" = %attribute_program, "extents" = %attribute_extents, "iterators" = %attribute_iterators, "args" = %attribute_args, "delays" = %attribute_delays, "maps" = %attribute_maps, "results" = %attribute_results, "result_maps" = %attribute_result_maps}
  }
  irdl.operation @draw {
    %operands_t = irdl.any
    irdl.operands(t: %operands_t)
    %attribute_into = irdl.any
    %attribute_path = irdl.any
    %attribute_seed = irdl.any
    %attribute_key = irdl.any
    irdl.attributes {"into" = %attribute_into, "path" = %attribute_path, "seed" = %attribute_seed, "key" = %attribute_key}
  }
  irdl.operation @clock {
    %operands_t = irdl.any
    irdl.operands(t: %operands_t)
    %attribute_into = irdl.any
    irdl.attributes {"into" = %attribute_into}
  }
  irdl.operation @tally {
    %operands_t = irdl.any
    irdl.operands(t: %operands_t)
    %attribute_of = irdl.any
    %attribute_into = irdl.any
    irdl.attributes {"of" = %attribute_of, "into" = %attribute_into}
  }
  irdl.operation @record {
    %operands_t = irdl.any
    irdl.operands(t: %operands_t)
    %attribute_into = irdl.any
    irdl.attributes {"into" = %attribute_into}
  }
}
