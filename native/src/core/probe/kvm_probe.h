// Whether /dev/kvm runs guests here.
#pragma once

#include <string>

namespace drover {

struct KvmProbe {
  enum class Kind {
    absent,         // no device, or no hypervisor behind it
    no_permission,  // the device is there, not for this user
    emulated,       // works, but guest code goes through KVM's instruction emulator: no stock operating system starts
    full,
    broken,  // the device answers, but a tiny guest does not run
  };
  Kind kind;
  std::string detail;  // a sentence, with what to do where something can be done
};

// Runs a guest of one page that does one SSE addition, the first thing that KVM's emulator does not know. Ends within 2
// s.
KvmProbe probe_kvm();

// The spelling of index.ts.
const char* kind_name(KvmProbe::Kind kind);

}  // namespace drover
