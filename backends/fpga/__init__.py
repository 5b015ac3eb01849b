"""FPGAs: Verilog and RTLIL of circuits."""
