#include "core/bhyve/state/parts.h"

#include <cstring>

#include "core/bhyve/cpu_state.h"
#include "core/bhyve/state/cpu_layouts.h"
#include "core/bhyve/time.h"
#include "core/machine/msr_names.h"

namespace drover::bhyve {

namespace {

Error malformed(const std::string& what) { return Error{Code::invalid_argument, what}; }

// The VM's devices whose state is one class of data, and nothing else.
struct KernelDevice {
  const char* instance;
  const char* kind;
  const DataClass& data_class;
};
constexpr KernelDevice kDevices[] = {
    {"ioapic0", "bhyve/ioapic", kIoapicClass},
    {"pit0", "bhyve/pit", kPitClass},
    {"pic0", "bhyve/pic", kPicClass},
    {"hpet0", "bhyve/hpet", kHpetClass},
    {"pmtimer0", "bhyve/pm-timer", kPmTimerClass},
    {"rtc0", "bhyve/rtc", kRtcClass},
};

Status check_size(const DataClass& data_class, const Bytes& bytes) {
  if (data_class.fixed_bytes != 0) {
    if (bytes.size() == data_class.fixed_bytes) return success();
    return malformed("has " + std::to_string(bytes.size()) + " bytes, not " + std::to_string(data_class.fixed_bytes));
  }
  if (bytes.size() % data_class.item_bytes != 0) return malformed("ends in the middle of an entry");
  if (bytes.size() > abi::kDataBytesMax) {
    return malformed("has more than " + std::to_string(abi::kDataBytesMax) + " bytes");
  }
  return success();
}

Part data_part(Vm& vm, std::string instance, const char* kind, const DataClass& data_class, int vcpu) {
  return {std::move(instance),
          kind,
          true,
          [&vm, &data_class, vcpu] { return read_data(vm.device(), data_class, vcpu); },
          [&data_class](const Bytes& bytes) { return check_size(data_class, bytes); },
          [&vm, &data_class, vcpu](const Bytes& bytes) { return write_data(vm.device(), data_class, vcpu, bytes); }};
}

// The MSRs among `bytes` that this host does not have.
std::string missing_msrs(Vm& vm, int vcpu, const Bytes& bytes) {
  std::vector<abi::vdi_field_entry_v1> entries(bytes.size() / sizeof(abi::vdi_field_entry_v1));
  std::memcpy(entries.data(), bytes.data(), entries.size() * sizeof entries[0]);
  std::string names;
  for (const auto& entry : entries) {
    const uint32_t ident = entry.vfe_ident;
    if (read_fields(vm.device(), kMsrClass, vcpu, {&ident, 1}).ok()) continue;
    names += (names.empty() ? "" : ", ") + machine::describe_msr(ident);
  }
  return names;
}

Part msr_part(Vm& vm, std::string instance, int vcpu) {
  Part part = data_part(vm, std::move(instance), "bhyve/msrs", kMsrClass, vcpu);
  part.set = [&vm, vcpu](const Bytes& bytes) -> Status {
    Status written = write_data(vm.device(), kMsrClass, vcpu, bytes);
    if (written || written.error().error_number != EINVAL) return written;
    const std::string names = missing_msrs(vm, vcpu, bytes);
    if (names.empty()) return written;
    return Error{Code::unsupported, "this host's processor lacks " + names + "; choose a host with the same processor"};
  };
  return part;
}

template <typename State>
Bytes written(State state) {
  machine::Writer writer;
  layout(writer, state);
  return writer.take();
}

// Prerequisite: the part's check said yes.
template <typename State>
Result<State> read(const Bytes& bytes) {
  machine::Reader reader(bytes);
  State state{};
  layout(reader, state);
  if (reader.failed()) return malformed("is cut short or holds a list that is too long");
  if (reader.left() > 0) return malformed("has " + std::to_string(reader.left()) + " bytes left over");
  return state;
}

// Exactly the numbers that this release gets and sets, in their order.
template <typename Each>
Status check_numbers(const std::vector<Each>& values, const std::vector<int32_t>& numbers) {
  if (values.size() != numbers.size()) return malformed("has not the registers of its version");
  for (size_t index = 0; index < numbers.size(); ++index) {
    if (values[index].number != numbers[index]) {
      return malformed("has register " + std::to_string(values[index].number) + " where its version has " +
                       std::to_string(numbers[index]));
    }
  }
  return success();
}
Status check_state(const std::vector<Register>& registers) { return check_numbers(registers, register_numbers()); }
Status check_state(const std::vector<SegmentRegister>& segments) { return check_numbers(segments, segment_numbers()); }
Status check_state(const RunState&) { return success(); }

template <typename State, typename Get, typename Set>
Part cpu_part(Vm& vm, std::string instance, const char* kind, int vcpu, const Get& get, const Set& set) {
  return {
      std::move(instance),
      kind,
      true,
      [&vm, vcpu, get]() -> Result<Bytes> {
        auto state = get(vm.device(), vcpu);
        if (!state) return state.error();
        return written(state.take());
      },
      [](const Bytes& bytes) -> Status {
        auto state = read<State>(bytes);
        if (!state) return state.error();
        return check_state(state.value());
      },
      [&vm, vcpu, set](const Bytes& bytes) -> Status { return set(vm.device(), vcpu, read<State>(bytes).value()); }};
}

Part fpu_part(Vm& vm, std::string instance, int vcpu) {
  return {std::move(instance),
          "bhyve/fpu",
          true,
          [&vm, vcpu] { return get_fpu(vm.device(), vcpu); },
          [](const Bytes& bytes) -> Status {
            if (bytes.size() <= abi::kFpuBytesMax) return success();
            return malformed("has more than " + std::to_string(abi::kFpuBytesMax) + " bytes");
          },
          [&vm, vcpu](const Bytes& bytes) { return set_fpu(vm.device(), vcpu, bytes); }};
}

Part time_part(Vm& vm, machine::ClockMode mode) {
  const auto time_of = [](const Bytes& bytes) {
    abi::vdi_time_info_v1 time;
    std::memcpy(&time, bytes.data(), sizeof time);
    return time;
  };
  Part part = data_part(vm, "time0", "bhyve/time", kTimeClass, abi::kWholeVm);
  part.set = [&vm, mode, time_of](const Bytes& bytes) -> Status {
    auto here = read_time(vm.device());
    if (!here) return here.error();
    auto advanced = advance(time_of(bytes), here.value(), mode);
    if (!advanced) return advanced.error();
    return write_time(vm.device(), advanced.value().time);
  };
  return part;
}

// The kernel may list the class on a processor that has no such unit.
bool has_pmu(Vm& vm) {
  return check_classes(vm.device(), {&kPmuClass, 1}).ok() && read_data(vm.device(), kPmuClass, 0).ok();
}

}  // namespace

std::vector<Part> parts_of(Vm& vm, int vcpus, machine::ClockMode mode) {
  std::vector<Part> parts;
  parts.push_back(time_part(vm, mode));
  for (const KernelDevice& device : kDevices) {
    parts.push_back(data_part(vm, device.instance, device.kind, device.data_class, abi::kWholeVm));
  }
  const bool pmu = has_pmu(vm);
  for (int vcpu = 0; vcpu < vcpus; ++vcpu) {
    const std::string cpu = "cpu" + std::to_string(vcpu);
    parts.push_back(cpu_part<std::vector<Register>>(vm, cpu, "bhyve/registers", vcpu, get_registers, set_registers));
    parts.push_back(
        cpu_part<std::vector<SegmentRegister>>(vm, cpu, "bhyve/segments", vcpu, get_segments, set_segments));
    parts.push_back(msr_part(vm, cpu, vcpu));
    parts.push_back(fpu_part(vm, cpu, vcpu));
    parts.push_back(data_part(vm, cpu, "bhyve/lapic", kLapicClass, vcpu));
    parts.push_back(data_part(vm, cpu, "bhyve/events", kEventsClass, vcpu));
    if (pmu) {
      parts.push_back(data_part(vm, cpu, "bhyve/pmu-amd", kPmuClass, vcpu));
      parts.back().required = false;  // a host that has none wrote none
    }
    parts.push_back(cpu_part<RunState>(vm, cpu, "bhyve/run-state", vcpu, get_run_state, set_run_state));
  }
  return parts;
}

std::vector<DataClass> required_classes() {
  std::vector<DataClass> classes = {kMsrClass, kLapicClass, kEventsClass, kTimeClass};
  for (const KernelDevice& device : kDevices) classes.push_back(device.data_class);
  return classes;
}

}  // namespace drover::bhyve
