#if defined(__x86_64__)

#include "binding/cpu_definition.h"

#include <utility>

#include "binding/arguments.h"
#include "binding/errors.h"

namespace drover::binding {

namespace {

using kvm::CpuDefinition;

constexpr uint32_t kCpuidEntriesMax = 256;
constexpr uint32_t kMsrsMax = 1024;

Result<kvm_cpuid_entry2> read_cpuid_entry(const Napi::Value& value) {
  kvm_cpuid_entry2 entry{};
  const std::pair<const char*, uint32_t*> fields[] = {{"leaf", &entry.function}, {"subleaf", &entry.index},
                                                      {"eax", &entry.eax},       {"ebx", &entry.ebx},
                                                      {"ecx", &entry.ecx},       {"edx", &entry.edx}};
  for (const auto& [name, into] : fields) {
    auto number = read_integer(field(value, name), name, 0, UINT32_MAX);
    if (!number) return number.error();
    *into = static_cast<uint32_t>(number.value());
  }
  return entry;
}

}  // namespace

Napi::Value definition_object(Napi::Env env, const CpuDefinition& definition) {
  Napi::Array entries = Napi::Array::New(env, definition.cpuid.size());
  for (uint32_t index = 0; index < definition.cpuid.size(); ++index) {
    const kvm_cpuid_entry2& entry = definition.cpuid[index];
    Napi::Object leaf = Napi::Object::New(env);
    leaf.Set("leaf", static_cast<double>(entry.function));
    leaf.Set("subleaf", static_cast<double>(entry.index));
    leaf.Set("eax", static_cast<double>(entry.eax));
    leaf.Set("ebx", static_cast<double>(entry.ebx));
    leaf.Set("ecx", static_cast<double>(entry.ecx));
    leaf.Set("edx", static_cast<double>(entry.edx));
    entries.Set(index, leaf);
  }
  Napi::Array msrs = Napi::Array::New(env, definition.msrs.size());
  for (uint32_t index = 0; index < definition.msrs.size(); ++index) {
    msrs.Set(index, static_cast<double>(definition.msrs[index]));
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("cpuid", entries);
  result.Set("msrs", msrs);
  return result;
}

Result<CpuDefinition> read_definition(const Napi::Value& value) {
  const Napi::Value cpuid = field(value, "cpuid");
  const Napi::Value msrs = field(value, "msrs");
  if (!cpuid.IsArray() || !msrs.IsArray()) return invalid_argument("cpuid and msrs must be arrays");
  const Napi::Array entries = cpuid.As<Napi::Array>();
  const Napi::Array indices = msrs.As<Napi::Array>();
  if (entries.Length() > kCpuidEntriesMax || indices.Length() > kMsrsMax) {
    return invalid_argument("cpuid must have at most 256 entries and msrs at most 1024");
  }
  CpuDefinition definition;
  for (uint32_t index = 0; index < entries.Length(); ++index) {
    auto entry = read_cpuid_entry(entries[index]);
    if (!entry) return entry.error();
    definition.cpuid.push_back(entry.value());
  }
  for (uint32_t index = 0; index < indices.Length(); ++index) {
    auto number = read_integer(indices[index], "msrs", 0, UINT32_MAX);
    if (!number) return number.error();
    definition.msrs.push_back(static_cast<uint32_t>(number.value()));
  }
  return definition;
}

}  // namespace drover::binding

#endif
