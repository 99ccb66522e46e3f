// What the processors of a KvmMachine can do, to and from JavaScript.
#pragma once

#include <napi.h>

#include "core/base/result.h"
#include "core/kvm/cpuid.h"

namespace drover::binding {

// {cpuid: [{leaf, subleaf, eax, ebx, ecx, edx}], msrs: [index]}.
Napi::Value definition_object(Napi::Env env, const kvm::CpuDefinition& definition);

// At most 256 leaves and 1024 MSRs.
Result<kvm::CpuDefinition> read_definition(const Napi::Value& value);

}  // namespace drover::binding
