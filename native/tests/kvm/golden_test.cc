// The payloads' bytes, frozen: what one release wrote every later one reads (R7, R8).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "core/kvm/state/machine_state.h"
#include "transfer/hex.h"

namespace drover::kvm {
namespace {

// A value for every byte of a structure, by its place: two fields that change places in a layout show.
template <typename T>
void fill(T& value, unsigned seed) {
  auto* bytes = reinterpret_cast<uint8_t*>(&value);
  for (size_t index = 0; index < sizeof value; ++index) bytes[index] = static_cast<uint8_t>(index * 7 + seed);
}

MachineState golden_state() {
  MachineState state;
  state.cpuids.resize(1);
  state.cpuids[0].entries.resize(2);
  for (auto& entry : state.cpuids[0].entries) fill(entry, 1);
  state.cpus.resize(1);
  CpuState& cpu = state.cpus[0];
  fill(cpu.mp_state, 2);
  fill(cpu.regs, 3);
  fill(cpu.sregs, 4);
  fill(cpu.debugregs, 5);
  cpu.xcrs.resize(1);
  fill(cpu.xcrs[0], 6);
  for (unsigned index = 0; index < 40; ++index) cpu.xsave.push_back(static_cast<uint8_t>(index));
  fill(cpu.lapic, 7);
  cpu.msrs = {{0x174, 0x1122334455667788}, {0x6e0, 9}};
  fill(cpu.events, 8);
  fill(state.pics[0], 9);
  fill(state.pics[1], 10);
  fill(state.ioapic, 11);
  fill(state.pit, 12);
  state.serial.port = {.interrupt_enable = 1,
                       .fifo_control = 0x81,
                       .line_control = 3,
                       .modem_control = 0x0b,
                       .scratch = 5,
                       .divisor = 0x0102,
                       .overrun = 1,
                       .transmitter_emptied = 1,
                       .received_bytes = 2,
                       .received = {'o', 'k'}};
  state.time = {1795000000000000001, 2, 2600000, {3}};
  return state;
}

// One payload a line: instance, kind, version, bytes in hex.
std::vector<Payload> frozen(const std::string& name) {
  std::ifstream file(std::string(DROVER_MACHINE_STATE_DIR) + "/" + name);
  EXPECT_TRUE(file.good()) << name;
  std::vector<Payload> payloads;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Payload payload;
    std::string hex;
    words >> payload.instance >> payload.kind >> payload.version >> hex;
    payload.data = testing::from_hex(hex);
    payloads.push_back(payload);
  }
  return payloads;
}

TEST(KvmGoldenState, OfRelease020IsReadAndWrittenTheSame) {
  const std::vector<Payload> expected = frozen("release-0.2.0.txt");
  MachineState state = golden_state();
  const std::vector<Payload> written = write_payloads(state);
  ASSERT_EQ(written.size(), expected.size());
  for (size_t index = 0; index < written.size(); ++index) {
    EXPECT_TRUE(written[index] == expected[index]) << describe(expected[index]);
  }
  auto read = read_payloads(expected, 1);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_TRUE(write_payloads(read.value()) == expected);
  EXPECT_TRUE(read.value().serial.port == state.serial.port);
}

TEST(KvmGoldenState, CoversEveryKindAndVersionThatIsRead) {
  const std::vector<Payload> all = frozen("release-0.2.0.txt");
  for (const PayloadKind& kind : payload_kinds()) {
    for (const uint32_t version : kind.versions) {
      EXPECT_TRUE(
          std::any_of(all.begin(), all.end(),
                      [&](const Payload& payload) { return payload.kind == kind.name && payload.version == version; }))
          << kind.name << " version " << version;
    }
  }
}

}  // namespace
}  // namespace drover::kvm
