#include "core/kvm/state/machine_state.h"

#include <algorithm>
#include <functional>
#include <string>

#include "core/kvm/state/layouts.h"

namespace drover::kvm {

namespace {

using machine::Reader;
using machine::Writer;

// One payload that a machine has: its name, and how it is written and read.
struct Part {
  std::string instance;
  const char* kind;
  std::function<std::vector<uint8_t>()> write;
  std::function<Status(const Payload&)> read;
};

Error malformed(const Payload& payload, const std::string& what) {
  return Error{Code::invalid_argument, "the state of " + describe(payload) + " " + what};
}

template <typename State>
Part part(std::string instance, const char* kind, State& state) {
  return {
      std::move(instance),
      kind,
      [&state] {
        Writer writer;
        layout(writer, state);
        return writer.take();
      },
      [&state](const Payload& payload) -> Status {
        Reader reader(payload.data);
        layout(reader, state);
        if (reader.failed()) return malformed(payload, "is cut short or holds a list that is too long");
        if (reader.left() > 0) return malformed(payload, "has " + std::to_string(reader.left()) + " bytes left over");
        return success();
      },
  };
}

Part cpuid_part(size_t index, CpuidState& state) { return part("cpu" + std::to_string(index), "machine/cpuid", state); }

// When a device is added, its part goes in here and its kind into payload_kinds().
std::vector<Part> parts_of(MachineState& state) {
  std::vector<Part> parts;
  parts.push_back(part("time0", "machine/time", state.time));
  for (size_t index = 0; index < state.cpus.size(); ++index) {
    const std::string instance = "cpu" + std::to_string(index);
    parts.push_back(cpuid_part(index, state.cpuids[index]));
    parts.push_back(part(instance, "machine/cpu", state.cpus[index]));
  }
  parts.push_back(part("pic0", "machine/pic", state.pics[0]));
  parts.push_back(part("pic1", "machine/pic", state.pics[1]));
  parts.push_back(part("ioapic0", "machine/ioapic", state.ioapic));
  parts.push_back(part("pit0", "machine/pit", state.pit));
  parts.push_back(part("com1", "machine/serial", state.serial));
  return parts;
}

const PayloadKind* kind_named(const std::string& name) {
  const auto& kinds = payload_kinds();
  const auto at = std::find_if(kinds.begin(), kinds.end(), [&](const PayloadKind& kind) { return name == kind.name; });
  return at == kinds.end() ? nullptr : &*at;
}

std::string listed(const std::vector<uint32_t>& versions) {
  std::string text;
  for (const uint32_t version : versions) text += (text.empty() ? "" : ", ") + std::to_string(version);
  return text;
}

Status check_version(const Payload& payload) {
  const PayloadKind* kind = kind_named(payload.kind);
  if (kind == nullptr) return malformed(payload, "is of a kind that this release does not know");
  if (std::find(kind->versions.begin(), kind->versions.end(), payload.version) != kind->versions.end())
    return success();
  return Error{Code::unsupported, "the state of " + describe(payload) + " cannot be read: this release reads version " +
                                      listed(kind->versions)};
}

Payload written(const Part& part) {
  return {part.instance, part.kind, kind_named(part.kind)->versions.back(), part.write()};
}

}  // namespace

const std::vector<PayloadKind>& payload_kinds() {
  static const std::vector<PayloadKind> kinds = {
      {"machine/cpu", {1}}, {"machine/cpuid", {1}},  {"machine/ioapic", {1}}, {"machine/pic", {1}},
      {"machine/pit", {1}}, {"machine/serial", {1}}, {"machine/time", {1}},
  };
  return kinds;
}

std::vector<Payload> write_payloads(MachineState& state) {
  std::vector<Payload> payloads;
  for (const Part& part : parts_of(state)) payloads.push_back(written(part));
  return payloads;
}

std::vector<Payload> write_cpuid_payloads(std::vector<CpuidState>& cpuids) {
  std::vector<Payload> payloads;
  for (size_t index = 0; index < cpuids.size(); ++index) payloads.push_back(written(cpuid_part(index, cpuids[index])));
  return payloads;
}

Result<MachineState> read_payloads(const std::vector<Payload>& payloads, unsigned vcpus) {
  MachineState state;
  state.cpuids.resize(vcpus);
  state.cpus.resize(vcpus);
  std::vector<Part> missing = parts_of(state);
  for (const Payload& payload : payloads) {
    if (Status checked = check_version(payload); !checked) return checked.error();
    const auto at = std::find_if(missing.begin(), missing.end(), [&](const Part& part) {
      return part.instance == payload.instance && part.kind == payload.kind;
    });
    if (at == missing.end()) return malformed(payload, "is there twice or belongs to no device of this machine");
    if (Status read = at->read(payload); !read) return read.error();
    missing.erase(at);
  }
  if (!missing.empty()) {
    return Error{Code::invalid_argument,
                 "the state of " + missing[0].instance + " (" + missing[0].kind + ") is missing"};
  }
  if (state.time.tscs.size() != vcpus) {
    return Error{Code::invalid_argument, "the state of time0 (machine/time) is of " +
                                             std::to_string(state.time.tscs.size()) + " processors, not " +
                                             std::to_string(vcpus)};
  }
  return state;
}

}  // namespace drover::kvm
