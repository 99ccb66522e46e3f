#include "core/bhyve/vm_data.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/bhyve/abi/requests.h"
#include "core/bhyve/call.h"

namespace drover::bhyve {

namespace {

constexpr uint32_t kFirstListBytes = 1024;
// A list may grow between the answer that names its size and the next call; it does not do so for ever.
constexpr int kAttempts = 4;

std::string label(const DataClass& data_class) {
  return std::string("bhyve's data class ") + data_class.name + " version " + std::to_string(data_class.version);
}

abi::vm_data_xfer transfer(const DataClass& data_class, int vcpu, const uint8_t* bytes, size_t length) {
  abi::vm_data_xfer xfer{};
  xfer.vdx_vcpuid = vcpu;
  xfer.vdx_class = data_class.number;
  xfer.vdx_version = data_class.version;
  xfer.vdx_len = static_cast<uint32_t>(length);
  // The kernel writes only what it is asked to read.
  xfer.vdx_data = const_cast<uint8_t*>(bytes);
  return xfer;
}

Error other_size(const DataClass& data_class, uint32_t bytes) {
  return Error{Code::unsupported, label(data_class) + " has " + std::to_string(bytes) +
                                      " bytes on this host, which is not what this release knows; use a release that "
                                      "knows this host's interface"};
}

Error too_long(const DataClass& data_class, size_t bytes) {
  return Error{Code::limit, label(data_class) + " has " + std::to_string(bytes) + " bytes, more than the " +
                                std::to_string(abi::kDataBytesMax) + " that one call carries"};
}

}  // namespace

Result<std::vector<uint8_t>> read_data(Device& vm, const DataClass& data_class, int vcpu) {
  const bool fixed = data_class.fixed_bytes != 0;
  std::vector<uint8_t> bytes(fixed ? data_class.fixed_bytes : kFirstListBytes);
  for (int attempt = 0;; ++attempt) {
    abi::vm_data_xfer xfer = transfer(data_class, vcpu, bytes.data(), bytes.size());
    Status called = call(vm, DROVER_BHYVE_NAMED(VM_DATA_READ), &xfer, label(data_class) + " could not be read");
    const uint32_t length = xfer.vdx_result_len;
    if (called) {
      if (fixed ? length != bytes.size() : length > bytes.size() || length % data_class.item_bytes != 0) {
        return other_size(data_class, length);
      }
      bytes.resize(length);
      return bytes;
    }
    if (called.error().error_number != ENOSPC) return called.error();
    if (fixed) return other_size(data_class, length);
    if (length > abi::kDataBytesMax) return too_long(data_class, length);
    if (length <= bytes.size() || attempt == kAttempts) return called.error();
    bytes.resize(length);
  }
}

Status write_data(Device& vm, const DataClass& data_class, int vcpu, std::span<const uint8_t> bytes) {
  const bool fixed = data_class.fixed_bytes != 0;
  if (fixed ? bytes.size() != data_class.fixed_bytes : bytes.size() % data_class.item_bytes != 0) {
    return Error{Code::invalid_argument, label(data_class) + " cannot have " + std::to_string(bytes.size()) + " bytes"};
  }
  if (bytes.size() > abi::kDataBytesMax) return too_long(data_class, bytes.size());
  abi::vm_data_xfer xfer = transfer(data_class, vcpu, bytes.data(), bytes.size());
  Status called = call(vm, DROVER_BHYVE_NAMED(VM_DATA_WRITE), &xfer, label(data_class) + " could not be written");
  if (!called && called.error().error_number == ENOSPC) return other_size(data_class, xfer.vdx_result_len);
  if (!called) return called;
  if (xfer.vdx_result_len != bytes.size()) return other_size(data_class, xfer.vdx_result_len);
  return success();
}

Result<std::vector<uint64_t>> read_fields(Device& vm, const DataClass& data_class, int vcpu,
                                          std::span<const uint32_t> idents) {
  std::vector<abi::vdi_field_entry_v1> entries;
  for (const uint32_t ident : idents) entries.push_back({ident, 0, 0});
  const size_t bytes = entries.size() * sizeof entries[0];
  if (bytes > abi::kDataBytesMax) return too_long(data_class, bytes);
  abi::vm_data_xfer xfer = transfer(data_class, vcpu, reinterpret_cast<uint8_t*>(entries.data()), bytes);
  xfer.vdx_flags = abi::VDX_FLAG_READ_COPYIN;
  Status called = call(vm, DROVER_BHYVE_NAMED(VM_DATA_READ), &xfer, label(data_class) + " could not be read");
  if (!called) return called.error();
  if (xfer.vdx_result_len != bytes) return other_size(data_class, xfer.vdx_result_len);
  std::vector<uint64_t> values;
  for (const auto& entry : entries) values.push_back(entry.vfe_value);
  return values;
}

Status check_classes(Device& vm, std::span<const DataClass> wanted) {
  auto data = read_data(vm, kVersionClass, abi::kWholeVm);
  if (!data) return data.error();
  std::vector<abi::vdi_version_entry_v1> present(data.value().size() / sizeof(abi::vdi_version_entry_v1));
  std::memcpy(present.data(), data.value().data(), present.size() * sizeof present[0]);
  for (const DataClass& data_class : wanted) {
    const auto at = std::find_if(present.begin(), present.end(), [&](const abi::vdi_version_entry_v1& entry) {
      return entry.vve_class == data_class.number && entry.vve_version == data_class.version;
    });
    if (at == present.end()) {
      return Error{Code::unsupported, "this host's bhyve has not its data class " + std::string(data_class.name) +
                                          " in version " + std::to_string(data_class.version) +
                                          "; choose a host whose kernel has it"};
    }
    if (at->vve_len_expect != data_class.fixed_bytes) return other_size(data_class, at->vve_len_expect);
    if (at->vve_len_per_item != data_class.item_bytes) return other_size(data_class, at->vve_len_per_item);
  }
  return success();
}

}  // namespace drover::bhyve
