"""Random networks at level `snn` in integers, or in integers and reals: two populations of one program, connections
of all kinds, states that the dataflow writes."""

from __future__ import annotations

from random import Random

from tests.analysis.scalar_programs import INTEGERS, REALS, Writer

SIZE = 4
_STATES = ("i8", "i16", "i32", "i64")


def network(seed: int, reals: bool = False) -> str:
    """The text of one program; its inputs are `x` (spikes), `k` (an i64 in -5 .. 5) and, of reals, `r`."""
    random = Random(seed)
    real = random.choice(REALS) if reals else None
    port = random.choice((real,) if real else ("i16", "i32", "i64"))
    neuron, states = _neuron(random, port, real)
    step, written = _step(random, port, real)
    declared = [
        f'"snn.state"() {{sym_name = "{p}.{name}", type = tensor<{SIZE}x{type}>, init = {_init(type)}, depth = 1}} : () -> ()'
        for p in "ab"
        for name, type in states
    ]
    for p in "ab":
        declared.append(
            f'"snn.state"() {{sym_name = "{p}.spike", type = tensor<{SIZE}xi1>, init = false, depth = 3}} : () -> ()'
        )
        kept = ", ".join(f"@{p}.{name}" for name, _ in states)
        declared.append(
            f'"snn.population"() {{sym_name = "{p}", neuron = @N, shape = [{SIZE}], states = [{kept}], '
            f"params = [@{p}.c], event = @{p}.spike}} : () -> ()"
        )
        value = random.choice((f"{random.randint(-9, 99)}", "3"))
        declared.append(f'"snn.param"() {{sym_name = "{p}.c", value = {value}{".5" * bool(real)} : {port}}} : () -> ()')
    declared += [
        f'"snn.state"() {{sym_name = "{name}", type = tensor<{SIZE}x{type}>, init = {_init(type)}, depth = {depth}}} : () -> ()'
        for name, type, depth in written
    ]
    names = [*(f"{p}.{name}" for p in "ab" for name, _ in states), *(name for name, _, _ in written)]
    declared += [
        f'"snn.probe"() {{sym_name = "probe.{name}", of = @{name}, kind = "value", every = 1, low = 0, high = {SIZE}, shape = [{SIZE}]}} : () -> ()'
        for name in names
    ]
    weight = "i8" if port in INTEGERS else port
    one = "-0.75" if real else "-3"
    connections = [
        f'"snn.constant"() {{sym_name = "W", type = tensor<{SIZE}x{SIZE}x{weight}>, digest = ""}} : () -> ()',
        f'"snn.constant"() {{sym_name = "K", type = tensor<2x1x2x{weight}>, digest = ""}} : () -> ()',
        _synapses("all", '{kind = "all"}', "@W"),
        _synapses("prob", '{kind = "prob", p = 0.5 : f64, seed = 1 : i64, path = "p"}', f"{one} : {weight}"),
        '"snn.constant"() {sym_name = "index.from", type = tensor<6xi64>, digest = ""} : () -> ()',
        '"snn.constant"() {sym_name = "index.to", type = tensor<6xi64>, digest = ""} : () -> ()',
        f'"snn.constant"() {{sym_name = "w", type = tensor<6x{weight}>, digest = ""}} : () -> ()',
        _synapses("table", '{kind = "table", sources = @index.from, targets = @index.to}', "@w"),
        _synapses(
            "fixed", '{kind = "fixed_in", count = 3 : i64, seed = 1 : i64, path = "f", repeat}', f"{one} : {weight}"
        ),
        _synapses("total", '{kind = "fixed_total", count = 5 : i64, seed = 1 : i64, path = "t"}', "@W"),
        _synapses("one", '{kind = "one_to_one"}', f"{one} : {weight}"),
        _synapses(
            "conv",
            '{kind = "conv", input = [1, 4], output = [2, 2], kernel = [2], stride = [2], padding = [1], dilation = [2], groups = 1 : i64}',
            "@K",
        ),
    ]
    body = "\n  ".join([*connections, *declared])
    return f'module attributes {{snn.model = "M", snn.dt = 1.0 : f64, snn.dt_unit = "steps"}} {{\n{neuron}  {body}\n{step}}}\n'


def _init(type: str) -> str:
    return {"i1": "true"}.get(type, f"0.25 : {type}" if type in REALS else f"7 : {type}")


def _synapses(name: str, connect: str, weight: str) -> str:
    return f'"snn.synapses"() {{sym_name = "{name}", pre = {SIZE}, post = {SIZE}, connect = {connect}, weight = {weight}}} : () -> ()'


def _neuron(random: Random, port: str, real: str | None) -> tuple[str, list[tuple[str, str]]]:
    states = [("V", real or random.choice(_STATES)), ("n", random.choice(_STATES))]
    writer = Writer(random, real is not None)
    arguments = [f'%I: {port} {{snn.port = "I"}}']
    writer.values[port].append("%I")
    for name, type in states:
        arguments.append(f'%{name}: {type} {{snn.state = "{name}"}}')
        writer.values[type].append(f"%{name}")
    arguments += [f'%c: {port} {{snn.param = "c"}}', "%i: i64 {snn.index}"]
    writer.values[port].append("%c")
    writer.values["i64"].append("%i")
    _counter(writer, *states[1])
    writer.write(random.randint(5, 30))
    results = [writer.pick(type) for _, type in states]
    event = writer.pick("i1")
    marks = ", ".join(f'{type} {{snn.state = "{name}"}}' for name, type in states)
    types = ", ".join(type for _, type in states)
    body = "\n    ".join([*writer.lines, f"return {', '.join(results)}, {event} : {types}, i1"])
    head = f"func.func private @N({', '.join(arguments)}) -> ({marks}, i1 {{snn.event}})"
    return f"  {head} {{\n    {body}\n  }}\n", states


def _counter(writer: Writer, name: str, type: str) -> None:
    """What neurons are made of: a leak in i64, a clamp, a reset under a condition."""
    wide = f"%{name}"
    if type != "i64":
        wide = writer.emit("i64", f"arith.extsi %{name} : {type} to i64")
    nine, four = writer.constant("i64", "9"), writer.constant("i64", "4")
    product = writer.emit("i64", f"arith.muli {wide}, {nine} : i64")
    leaked = writer.emit("i64", f"arith.shrsi {product}, {four} : i64")
    sum = writer.emit("i64", f"arith.addi {leaked}, {writer.constant('i64', '20')} : i64")
    least = writer.emit(
        "i64", f"arith.minsi {sum}, {writer.constant('i64', writer.random.choice(('100', '30000')))} : i64"
    )
    theta = writer.constant("i64", "33")
    above = writer.emit("i1", f"arith.cmpi sge, {least}, {theta} : i64")
    reset = writer.emit("i64", f"arith.subi {least}, {theta} : i64")
    after = writer.emit("i64", f"arith.select {above}, {reset}, {least} : i64")
    if type != "i64":
        writer.emit(type, f"arith.trunci {after} : i64 to {type}")


def _step(random: Random, port: str, real: str | None) -> tuple[str, list[tuple[str, str, int]]]:
    writer = Writer(random, real is not None, str(SIZE))
    writer.values["i1"].append("%x")
    writer.values["i64"].append("%k")
    if real:
        writer.values[real].append("%r")
    written = [
        (f"s{k}", random.choice((*writer.types, "i64")), random.choice((1, 1, 3))) for k in range(random.randint(1, 3))
    ]
    for name, type, depth in written:
        writer.emit(type, _read(name, random.randint(1, depth), type))
    for p in "ab":
        spikes = [writer.emit("i1", _read(f"{q}.spike", random.randint(1, 3), "i1")) for q in "ab"]
        arrived = writer.pick(port)
        for name in random.sample(("all", "prob", "one", "conv", "table", "fixed", "total"), random.randint(1, 4)):
            source = random.choice((*spikes, "%x", writer.pick(port)))
            type = writer.spelled("i1" if source in (*spikes, "%x") else port)
            to = writer.spelled(port)
            arrived = writer.emit(
                port, f'"snn.propagate"({source}, {arrived}) {{synapses = @{name}}} : ({type}, {to}) -> {to}'
            )
        writer.emit(
            "i1", f'"snn.update"({arrived}) {{population = @{p}}} : ({writer.spelled(port)}) -> {writer.spelled("i1")}'
        )
        writer.write(random.randint(2, 8))
    for name, type, _ in written:
        writer.lines.append(f'"snn.write"({writer.pick(type)}) {{to = @{name}}} : ({writer.spelled(type)}) -> ()')
    outputs = [(value, type) for type in writer.types for value in writer.values[type] if value.startswith("%v")]
    results = ", ".join(f'{writer.spelled(type)} {{snn.name = "{value[1:]}"}}' for value, type in outputs)
    returned = ", ".join(value for value, _ in outputs)
    types = ", ".join(writer.spelled(type) for _, type in outputs)
    arguments = [f'%x: {writer.spelled("i1")} {{snn.name = "x", snn.kind = "spikes"}}']
    arguments.append(f'%k: {writer.spelled("i64")} {{snn.name = "k", snn.kind = "int", snn.range = [-5.0, 5.0]}}')
    if real:
        arguments.append(f'%r: {writer.spelled(real)} {{snn.name = "r", snn.kind = "real"}}')
    body = "\n    ".join([*writer.lines, f"return {returned} : {types}"])
    return f"  func.func @step({', '.join(arguments)}) -> ({results}) {{\n    {body}\n  }}\n", written


def _read(name: str, delay: int, type: str) -> str:
    return f'"snn.read"() {{of = @{name}, delay = {delay}}} : () -> tensor<{SIZE}x{type}>'
