// Runs what `spikec compile --target ptx -o DIR` made, without spikec: CUDA's driver and nlohmann/json are enough.
//
//     g++ -std=c++17 load.cpp -lcuda -o load
//     ./load DIR STEPS NAME=FILE...
//
// Each FILE holds the rows of the input NAME for all steps, as the device keeps them: numbers, or truth values as words
// of 32 bits. The rows of every output and probe are written to NAME.bin in the same form.

#include <cuda.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

using nlohmann::json;
using Bytes = std::vector<char>;

static void check(CUresult status) {
  if (status == CUDA_SUCCESS) return;
  const char *text = nullptr;
  cuGetErrorString(status, &text);
  throw std::runtime_error(text ? text : "unknown status of the driver");
}

static Bytes read(const std::filesystem::path &path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("no such file: " + path.string());
  return Bytes(std::istreambuf_iterator<char>(stream), {});
}

// The file of a folder that ends as told.
static std::filesystem::path find(const std::string &folder, const std::string &suffix) {
  for (const auto &entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == suffix) return entry.path();
  throw std::runtime_error("no " + suffix + " in " + folder);
}

struct Network {
  json plan, arrays;  // launches.json, the head of the safetensors
  Bytes data;         // the arrays
  std::map<std::string, CUdeviceptr> addresses;
  std::map<std::string, json> memories;
  std::map<std::string, size_t> bytes;  // of a row
  std::map<std::string, CUfunction> functions;
  std::vector<int64_t> head;

  explicit Network(const std::string &folder) {
    Bytes text = read(folder + "/launches.json");
    plan = json::parse(text.begin(), text.end());
    data = read(find(folder, ".safetensors"));
    uint64_t length;
    std::memcpy(&length, data.data(), 8);
    arrays = json::parse(data.begin() + 8, data.begin() + 8 + length);
    data.erase(data.begin(), data.begin() + 8 + length);

    CUdevice device;
    CUcontext context;
    CUmodule module;
    check(cuInit(0));
    check(cuDeviceGet(&device, 0));
    check(cuDevicePrimaryCtxRetain(&context, device));
    check(cuCtxSetCurrent(context));
    text = read(find(folder, ".ptx"));
    text.push_back('\0');
    check(cuModuleLoadData(&module, text.data()));
    for (const char *which : {"init", "step", "finish"})
      for (const json &kernel : plan[which]) {
        const std::string name = kernel["name"];
        check(cuModuleGetFunction(&functions[name], module, name.c_str()));
      }
  }

  // The bytes of an array of the safetensors.
  Bytes array(const std::string &name) const {
    const json &place = arrays.at(name)["data_offsets"];
    return Bytes(data.begin() + place[0].get<size_t>(), data.begin() + place[1].get<size_t>());
  }

  // A buffer with its first values: zero, a constant, or a number or a constant in the last slot of a ring.
  void allocate(const json &memory, size_t steps) {
    const std::string name = memory["name"], kind = memory["kind"], type = memory["dtype"];
    const size_t item = type == "int8" ? 1 : type == "int16" ? 2 : type.find("64") != std::string::npos ? 8 : 4;
    bytes[name] = memory["length"].get<size_t>() * item;
    memories[name] = memory;
    const bool rows = kind == "input" || kind == "output" || kind == "probe";
    Bytes values(bytes[name] * (rows ? steps : 1), 0);
    const size_t stride = memory["stride"].get<size_t>() * item;
    const json &init = memory["init"];
    if (kind == "constant") {
      const Bytes flat = array(name);
      std::copy(flat.begin(), flat.end(), values.begin());
    } else if (init.is_string()) {
      const Bytes flat = array(init);
      std::copy(flat.begin(), flat.end(), values.end() - stride);
    } else if (!init.is_null()) {
      fill(&*values.end() - stride, memory, type, init);
    }
    check(cuMemAlloc(&addresses[name], values.size()));
    check(cuMemcpyHtoD(addresses[name], values.data(), values.size()));
  }

  static void fill(char *slot, const json &memory, const std::string &type, const json &init) {
    for (size_t i = 0; i < memory["size"].get<size_t>(); ++i) {
      if (memory["bits"]) slot[i / 8] |= char(1 << i % 8);
      else if (type == "float32") reinterpret_cast<float *>(slot)[i] = init;
      else if (type == "float64") reinterpret_cast<double *>(slot)[i] = init;
      else if (type == "int8") reinterpret_cast<int8_t *>(slot)[i] = init;
      else if (type == "int16") reinterpret_cast<int16_t *>(slot)[i] = init;
      else if (type == "int64") reinterpret_cast<int64_t *>(slot)[i] = init;
      else reinterpret_cast<int32_t *>(slot)[i] = init;
    }
  }

  // What kernels read of a run: its first step, the one after its last step, the first round, the first sample.
  void write_head(int64_t begin, int64_t end) {
    head[0] = begin, head[1] = end, head[2] = 0, head[3] = 0;
    check(cuMemcpyHtoD(addresses["spikec.head"], head.data(), 8 * head.size()));
  }

  void launch(const json &kernels, int32_t number) {
    for (const json &kernel : kernels) {
      std::vector<CUdeviceptr> buffers;
      for (const json &name : kernel["arguments"]) buffers.push_back(addresses.at(name));
      std::vector<void *> parameters{&number};
      for (CUdeviceptr &buffer : buffers) parameters.push_back(&buffer);
      check(cuLaunchKernel(functions.at(kernel["name"]), kernel["grid"], 1, 1, kernel["block"], 1, 1,
                           kernel["shared_bytes"], nullptr, parameters.data(), nullptr));
    }
  }

  // Runs the network; gives the rows of outputs, results and probes by name.
  std::map<std::string, Bytes> run(const std::map<std::string, Bytes> &inputs, size_t steps) {
    for (const json &memory : plan["memories"]) allocate(memory, steps);
    for (const json &key : plan["keys"]) head.push_back(key);
    head.insert(head.begin(), 4, 0);
    for (const json &host : plan["hosts"]) {
      const json &buffer = host["values"].is_null() ? host["bits"] : host["values"];
      head.push_back(buffer.is_null() ? 0 : memories[buffer]["length"].get<int64_t>());
      head.push_back(0);  // from one sample to the next: there is one
      if (host["kind"] != "input" || buffer.is_null()) continue;
      const Bytes &rows = inputs.at(host["name"]);
      if (rows.size() != bytes[buffer] * steps) throw std::runtime_error("an input has not a row for each step");
      check(cuMemcpyHtoD(addresses[buffer], rows.data(), rows.size()));
    }
    write_head(0, 0);
    launch(plan["init"], 0);
    write_head(0, int64_t(steps));
    const int32_t rounds = int32_t(steps) + plan["skew"].get<int32_t>();
    for (int32_t number = 0; number < rounds; ++number) launch(plan["step"], number);
    write_head(int64_t(steps), int64_t(steps));
    launch(plan["finish"], 0);
    std::map<std::string, Bytes> found;
    for (const json &host : plan["hosts"]) {
      if (host["kind"] == "input") continue;
      const std::string buffer = host["values"].is_null() ? host["bits"] : host["values"];
      const size_t every = host["every"], rows = host["kind"] == "result" ? 1 : (steps + every - 1) / every;
      Bytes &values = found[host["name"]];
      values.resize(rows * bytes[buffer]);
      check(cuMemcpyDtoH(values.data(), addresses[buffer], values.size()));
    }
    return found;
  }
};

int main(int count, char **words) try {
  if (count < 3) throw std::runtime_error("load DIR STEPS NAME=FILE...");
  std::map<std::string, Bytes> inputs;
  for (int i = 3; i < count; ++i) {
    const std::string word = words[i];
    const size_t sign = word.find('=');
    inputs[word.substr(0, sign)] = read(word.substr(sign + 1));
  }
  for (const auto &[name, rows] : Network(words[1]).run(inputs, std::stoul(words[2])))
    std::ofstream(name + ".bin", std::ios::binary).write(rows.data(), std::streamsize(rows.size()));
  return 0;
} catch (const std::exception &error) {
  std::fprintf(stderr, "load: %s\n", error.what());
  return 1;
}
