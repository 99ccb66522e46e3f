#include "core/kvm/cpu_features.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace drover::kvm {

namespace {

enum Register { kEax, kEbx, kEcx, kEdx };
constexpr const char* kRegisterNames[] = {"eax", "ebx", "ecx", "edx"};

constexpr uint32_t kHypervisor = 1u << 31;      // 1 ecx; set for every guest
constexpr uint32_t kHyperThreading = 1u << 28;  // 1 edx; follows the number of processors
// They mirror a control register of the guest, so they say nothing of the host. 1 ecx, 7 ecx.
constexpr uint32_t kOsXsave = 1u << 27;
constexpr uint32_t kOsPke = 1u << 4;
// On AMD these bits repeat those of 1 edx. 80000001 edx.
constexpr uint32_t kMirrored = 0x0183f3ff;

// The registers in which each bit is a feature that software may have come to rely on, with the bits' names from 0 on,
// - for one without. Intel SDM volume 2A, AMD APM volume 3 appendix E, Linux arch/x86/include/asm/cpufeatures.h and
// Documentation/virt/kvm/x86/cpuid.
struct FeatureWord {
  uint32_t leaf;
  uint32_t subleaf;
  Register reg;
  uint32_t ignored;
  std::string_view names;
};
constexpr FeatureWord kFeatureWords[] = {
    {0x1, 0, kEdx, kHyperThreading,
     "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi mmx fxsr sse "
     "sse2 ss ht tm ia64 pbe"},
    {0x1, 0, kEcx, kOsXsave | kHypervisor,
     "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 "
     "x2apic movbe popcnt tsc_deadline_timer aes xsave osxsave avx f16c rdrand hypervisor"},
    {0x6, 0, kEax, 0, "dtherm ida arat - pln - pts hwp hwp_notify hwp_act_window hwp_epp hwp_pkg_req"},
    {0x7, 0, kEbx, 0,
     "fsgsbase tsc_adjust sgx bmi1 hle avx2 fdp_excptn_only smep bmi2 erms invpcid rtm cqm zero_fcs_fds mpx rdt_a "
     "avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni "
     "avx512bw avx512vl"},
    {0x7, 0, kEcx, kOsPke,
     "- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 shstk gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme "
     "avx512_vpopcntdq - la57 - - - - - rdpid key_locker bus_lock_detect cldemote - movdiri movdir64b enqcmd sgx_lc "
     "pks"},
    {0x7, 0, kEdx, 0,
     "- - avx512_4vnniw avx512_4fmaps fsrm uintr - - avx512_vp2intersect srbds_ctrl md_clear rtm_always_abort - "
     "tsx_force_abort serialize hybrid_cpu tsxldtrk - pconfig arch_lbr ibt - amx_bf16 avx512_fp16 amx_tile amx_int8 "
     "spec_ctrl intel_stibp flush_l1d arch_capabilities core_capabilities ssbd"},
    {0x7, 1, kEax, 0,
     "sha512 sm3 sm4 - avx_vnni avx512_bf16 lass cmpccxadd archperfmonext - fzrm fsrs fsrc - - - - fred lkgs wrmsrns - "
     "amx_fp16 hreset avx_ifma - - lam msrlist"},
    {0x7, 1, kEdx, 0, "- - - - avx_vnni_int8 avx_ne_convert - - amx_complex - avx_vnni_int16 - - - prefetchiti"},
    {0x7, 2, kEdx, 0, "intel_psfd ipred_ctrl rrsba_ctrl ddpd_u bhi_ctrl mcdt_no"},
    {0xd, 0, kEax, 0,
     "xstate_fp xstate_sse xstate_avx xstate_bndregs xstate_bndcsr xstate_opmask xstate_zmm_hi256 xstate_hi16_zmm - "
     "xstate_pkru - - - - - - - xstate_tilecfg xstate_tiledata"},
    {0xd, 0, kEdx, 0, ""},
    {0xd, 1, kEax, 0, "xsaveopt xsavec xgetbv1 xsaves xfd"},
    {0x80000001, 0, kEcx, 0,
     "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 "
     "tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc perfctr_llc mwaitx"},
    {0x80000001, 0, kEdx, kMirrored,
     "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow"},
    {0x80000007, 0, kEdx, 0, "- - - - - - - hw_pstate nonstop_tsc cpb"},
    {0x80000008, 0, kEbx, 0,
     "clzero irperf xsaveerptr - rdpru - - - - wbnoinvd - - ibpb - ibrs stibp ibrs_always_on stibp_always_on - - - - - "
     "amd_ppin amd_ssbd virt_ssbd amd_ssb_no cppc amd_psfd btc_no - brs"},
    {0x8000000a, 0, kEdx, 0,
     "npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists - - pausefilter - pfthreshold avic - "
     "v_vmsave_vmload vgif - x2avic - v_spec_ctrl - - - - vnmi"},
    {0x80000021, 0, kEax, 0,
     "no_nested_data_bp - lfence_rdtsc - - - null_sel_clr_base - autoibrs no_smm_ctl_msr - - - - - - - - - - prefetchi "
     "- - - - - - sbpb ibpb_brtype srso_no"},
    {0x40000001, 0, kEax, 0,
     "kvm_clocksource kvm_nopiodelay kvm_mmu_op kvmclock kvm_asyncpf kvm_steal_time kvm_pv_eoi kvm_pv_unhalt - "
     "kvm_pv_tlb_flush kvm_asyncpf_vmexit kvm_pv_send_ipi kvm_poll_control kvm_pv_sched_yield kvm_asyncpf_int "
     "kvm_msi_ext_dest_id kvm_hc_map_gpa_range kvm_migration_control - - - - - - kvmclock_stable_bit"},
};

const kvm_cpuid_entry2* find(std::span<const kvm_cpuid_entry2> entries, uint32_t leaf, uint32_t subleaf) {
  const auto at = std::find_if(entries.begin(), entries.end(), [&](const kvm_cpuid_entry2& entry) {
    return entry.function == leaf && entry.index == subleaf;
  });
  return at == entries.end() ? nullptr : &*at;
}

// The bits of a word that count; 0 where CPUID does not have it.
uint32_t bits_of(std::span<const kvm_cpuid_entry2> entries, const FeatureWord& word) {
  const kvm_cpuid_entry2* entry = find(entries, word.leaf, word.subleaf);
  if (entry == nullptr) return 0;
  const uint32_t values[] = {entry->eax, entry->ebx, entry->ecx, entry->edx};
  return values[word.reg] & ~word.ignored;
}

std::string name_of(const FeatureWord& word, unsigned bit) {
  std::string_view left = word.names;
  for (unsigned skip = 0; skip < bit && !left.empty(); ++skip) {
    const size_t blank = left.find(' ');
    left = blank == std::string_view::npos ? std::string_view() : left.substr(blank + 1);
  }
  const std::string_view name = left.substr(0, left.find(' '));
  if (!name.empty() && name != "-") return std::string(name);
  char text[64];
  std::snprintf(text, sizeof text, "cpuid_%x.%x_%s_%u", word.leaf, word.subleaf, kRegisterNames[word.reg], bit);
  return text;
}

template <typename Bits>
std::vector<std::string> names_of(const Bits& bits) {
  std::vector<std::string> names;
  for (const FeatureWord& word : kFeatureWords) {
    const uint32_t set = bits(word);
    for (unsigned bit = 0; bit < 32; ++bit) {
      if ((set >> bit & 1) != 0) names.push_back(name_of(word, bit));
    }
  }
  return names;
}

// Text in registers, without what is no printable ASCII and without blanks at its ends.
std::string text_of(std::span<const uint32_t> words) {
  std::string text;
  for (const uint32_t word : words) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      const char letter = static_cast<char>(word >> shift & 0xff);
      if (letter >= ' ' && letter <= '~') text += letter;
    }
  }
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace

std::vector<std::string> features_in(std::span<const kvm_cpuid_entry2> entries) {
  std::vector<std::string> names = names_of([&](const FeatureWord& word) { return bits_of(entries, word); });
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::vector<std::string> missing_features(std::span<const kvm_cpuid_entry2> wanted,
                                          std::span<const kvm_cpuid_entry2> offered) {
  return names_of([&](const FeatureWord& word) { return bits_of(wanted, word) & ~bits_of(offered, word); });
}

std::string vendor_in(std::span<const kvm_cpuid_entry2> entries) {
  const kvm_cpuid_entry2* entry = find(entries, 0, 0);
  if (entry == nullptr) return {};
  const uint32_t words[] = {entry->ebx, entry->edx, entry->ecx};
  return text_of(words);
}

std::string model_in(std::span<const kvm_cpuid_entry2> entries) {
  std::vector<uint32_t> words;
  for (uint32_t leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
    const kvm_cpuid_entry2* entry = find(entries, leaf, 0);
    if (entry != nullptr) words.insert(words.end(), {entry->eax, entry->ebx, entry->ecx, entry->edx});
  }
  return text_of(words);
}

}  // namespace drover::kvm
