#include "core/bhyve/state/vm_state.h"

#include <algorithm>
#include <string>

#include "core/bhyve/cpu_state.h"
#include "core/bhyve/state/parts.h"
#include "core/bhyve/vm_data.h"

namespace drover::bhyve {

namespace {

const PayloadKind* kind_named(const std::string& name) {
  const auto& kinds = payload_kinds();
  const auto at = std::find_if(kinds.begin(), kinds.end(), [&](const PayloadKind& kind) { return name == kind.name; });
  return at == kinds.end() ? nullptr : &*at;
}

Error about(const Payload& payload, Code code, const std::string& what) {
  return Error{code, "the state of " + machine::describe(payload) + " " + what};
}

Status check_version(const Payload& payload) {
  const PayloadKind* kind = kind_named(payload.kind);
  if (kind == nullptr) {
    return about(payload, Code::invalid_argument, "is of a kind that this release does not know");
  }
  const auto& versions = kind->versions;
  if (std::find(versions.begin(), versions.end(), payload.version) != versions.end()) return success();
  return about(payload, Code::unsupported,
               "cannot be read: this release reads version " + std::to_string(versions.back()));
}

// EPERM where a kernel keeps its state from being written: nothing about this payload.
Error writing_error(Vm& vm, Error error) {
  if (error.error_number == EPERM && error.code == Code::permission &&
      !vm.interface_version().writes_state_by_default()) {
    error.message =
        "this host's bhyve does not let a VM's state be written; allow it in the kernel (vmm_allow_state_writes), or "
        "use a host with interface version 13 or later";
  }
  return error;
}

}  // namespace

const std::vector<PayloadKind>& payload_kinds() {
  static const std::vector<PayloadKind> kinds = {
      {"bhyve/events", {1}},    {"bhyve/fpu", {1}},      {"bhyve/hpet", {1}},      {"bhyve/ioapic", {1}},
      {"bhyve/lapic", {1}},     {"bhyve/msrs", {1}},     {"bhyve/pic", {1}},       {"bhyve/pit", {1}},
      {"bhyve/pm-timer", {1}},  {"bhyve/pmu-amd", {1}},  {"bhyve/registers", {1}}, {"bhyve/rtc", {2}},
      {"bhyve/run-state", {1}}, {"bhyve/segments", {1}}, {"bhyve/time", {1}},
  };
  return kinds;
}

Status check_host(Vm& vm) {
  if (Status checked = check_classes(vm.device(), required_classes()); !checked) return checked;
  auto bytes = fpu_bytes(vm.device());
  if (!bytes) return bytes.error();
  return success();
}

Result<std::vector<Payload>> save(Vm& vm, int vcpus) {
  std::vector<Payload> payloads;
  for (const Part& part : parts_of(vm, vcpus, machine::ClockMode::wall)) {
    auto bytes = part.get();
    if (!bytes) return bytes.error();
    payloads.push_back({part.instance, part.kind, kind_named(part.kind)->versions.back(), bytes.take()});
  }
  return payloads;
}

Status load(Vm& vm, int vcpus, const std::vector<Payload>& payloads, machine::ClockMode mode) {
  const std::vector<Part> parts = parts_of(vm, vcpus, mode);
  std::vector<const Payload*> found(parts.size(), nullptr);
  for (const Payload& payload : payloads) {
    if (Status checked = check_version(payload); !checked) return checked;
    const auto at = std::find_if(parts.begin(), parts.end(), [&](const Part& part) {
      return part.instance == payload.instance && part.kind == payload.kind;
    });
    if (at == parts.end()) {
      return about(payload, Code::invalid_argument, "belongs to no device that this VM has on this host");
    }
    const Payload*& place = found[static_cast<size_t>(at - parts.begin())];
    if (place != nullptr) return about(payload, Code::invalid_argument, "is there twice");
    if (Status checked = at->check(payload.data); !checked) {
      return about(payload, checked.error().code, checked.error().message);
    }
    place = &payload;
  }
  for (size_t index = 0; index < parts.size(); ++index) {
    if (found[index] != nullptr || !parts[index].required) continue;
    return Error{Code::invalid_argument,
                 "the state of " + parts[index].instance + " (" + parts[index].kind + ") is missing"};
  }
  for (size_t index = 0; index < parts.size(); ++index) {
    if (found[index] == nullptr) continue;
    if (Status set = parts[index].set(found[index]->data); !set) return writing_error(vm, set.error());
  }
  return success();
}

}  // namespace drover::bhyve
