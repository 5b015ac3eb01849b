// Written from dialects/snn.py: run the tests with --update-golden.
irdl.dialect @snn {
  irdl.operation @constant {
    %attribute_sym_name = irdl.any
    %attribute_type = irdl.any
    irdl.attributes {"sym_name" = %attribute_sym_name, "type" = %attribute_type}
  }
  irdl.operation @param {
    %attribute_sym_name = irdl.any
    %attribute_value = irdl.any
    irdl.attributes {"sym_name" = %attribute_sym_name, "value" = %attribute_value}
  }
  irdl.operation @state {
    %attribute_sym_name = irdl.any
    %attribute_type = irdl.any
    %attribute_depth = irdl.any
    irdl.attributes {"sym_name" = %attribute_sym_name, "type" = %attribute_type, "depth" = %attribute_depth}
  }
  irdl.operation @synapses {
    %attribute_sym_name = irdl.any
    %attribute_pre = irdl.any
    %attribute_post = irdl.any
    %attribute_connect = irdl.any
    %attribute_weight = irdl.any
    irdl.attributes {"sym_name" = %attribute_sym_name, "pre" = %attribute_pre, "post" = %attribute_post, "connect" = %attribute_connect, "weight" = %attribute_weight}
  }
  irdl.operation @population {
    %attribute_sym_name = irdl.any
    %attribute_neuron = irdl.any
    %attribute_shape = irdl.any
    %attribute_states = irdl.any
    %attribute_params = irdl.any
    irdl.attributes {"sym_name" = %attribute_sym_name, "neuron" = %attribute_neuron, "shape" = %attribute_shape, "states" = %attribute_states, "params" = %attribute_params}
  }
  irdl.operation @probe {
    %attribute_sym_name = irdl.any
    %attribute_of = irdl.any
    %attribute_kind = irdl.any
    %attribute_every = irdl.any
    %attribute_low = irdl.any
    %attribute_high = irdl.any
    %attribute_shape = irdl.any
    irdl.attributes {"sym_name" = %attribute_sym_name, "of" = %attribute_of, "kind" = %attribute_kind, "every" = %attribute_every, "low" = %attribute_low, "high" = %attribute_high, "shape" = %attribute_shape}
  }
  irdl.operation @propagate {
    %operands_events = irdl.any
    %operands_init = irdl.any
    irdl.operands(events: %operands_events, init: %operands_init)
    %results_arrived = irdl.any
    irdl.results(arrived: %results_arrived)
    %attribute_synapses = irdl.any
    irdl.attributes {"synapses" = %attribute_synapses}
  }
  irdl.operation @update {
    %operands_ports = irdl.any
    irdl.operands(ports: variadic %operands_ports)
    %results_emitted = irdl.any
    irdl.results(emitted: variadic %results_emitted)
    %attribute_population = irdl.any
    irdl.attributes {"population" = %attribute_population}
  }
  irdl.operation @read {
    %results_value = irdl.any
    irdl.results(value: %results_value)
    %attribute_of = irdl.any
    %attribute_delay = irdl.any
    irdl.attributes {"of" = %attribute_of, "delay" = %attribute_delay}
  }
  irdl.operation @write {
    %operands_value = irdl.any
    irdl.operands(value: %operands_value)
    %attribute_to = irdl.any
    irdl.attributes {"to" = %attribute_to}
  }
  irdl.operation @draw {
    %results_uniform = irdl.any
    irdl.results(uniform: %results_uniform)
    %attribute_path = irdl.any
    %attribute_seed = irdl.any
    irdl.attributes {"path" = %attribute_path, "seed" = %attribute_seed}
  }
  irdl.operation @clock {
    %results_steps = irdl.any
    irdl.results(steps: %results_steps)
  }
}
