#include "core/kvm/machine.h"

#include <algorithm>
#include <cstring>

#include "core/dirty/kvm_dirty_log.h"
#include "core/kvm/cpuid.h"
#include "core/kvm/ioctl.h"
#include "core/kvm/registers.h"
#include "core/kvm/state/chip_access.h"
#include "core/kvm/state/cpu_access.h"
#include "core/kvm/state/machine_state.h"
#include "core/kvm/state/time_access.h"
#include "core/machine/boot/memory_map.h"
#include "core/machine/msr_names.h"

namespace drover::kvm {

namespace {

using machine::kCodeSelector;
using machine::kDataSelector;
using machine::kGdtAddress;
using machine::kGdtBytes;
using machine::kOneMebibyte;
using machine::write_mp_table;

constexpr unsigned kSerialPorts = 8;
constexpr uint8_t kNobody = 0xff;  // what a bus without a device reads as

Error wrong_state(const char* what) { return Error{Code::closed, std::string("this machine ") + what}; }

std::string internal_error(const kvm_run& run) {
  switch (run.internal.suberror) {
    case KVM_INTERNAL_ERROR_EMULATION: return "KVM cannot emulate the guest's next instruction";
    case KVM_INTERNAL_ERROR_SIMUL_EX: return "the guest took exceptions that KVM cannot deliver together";
    case KVM_INTERNAL_ERROR_DELIVERY_EV: return "KVM could not deliver an event to the guest";
    default: return "KVM reports internal error " + std::to_string(run.internal.suberror);
  }
}

}  // namespace

Machine::Machine(Options options) : options_(std::move(options)) {}

Machine::~Machine() {
  {
    // A processor whose guest ends now must not walk the others while they go.
    std::lock_guard lock(mutex_);
    state_ = State::ended;
  }
  // Its collector reads rings that go with the processors.
  if (tracker_) tracker_->stop();
}

Result<std::shared_ptr<Machine>> Machine::create(Options options) {
  std::shared_ptr<Machine> machine(new Machine(std::move(options)));
  if (Status done = machine->assemble(); !done) return done.error();
  return machine;
}

Status Machine::assemble() {
  auto host = Host::open();
  if (!host) return host.error();
  if (options_.vcpus < 1 || options_.vcpus > host.value()->max_vcpus()) {
    return Error{Code::limit, "a machine of " + std::to_string(options_.vcpus) +
                                  " processors cannot be made: this host's KVM allows 1 to " +
                                  std::to_string(host.value()->max_vcpus())};
  }
  if (options_.memory->pages() * kPageSize < kOneMebibyte) {
    return Error{Code::invalid_argument, "a machine needs at least 1 MiB of memory"};
  }
  auto vm = Vm::create(host.take(), options_.memory, options_.tracking, options_.ring.entries);
  if (!vm) return vm.error();
  vm_ = vm.take();

  auto console = SerialConsole::create([vm = vm_.get()](bool high) {
    // It can only fail for a line that the chips lack.
    (void)vm->set_line(kSerialLine, high).ok();
  });
  if (!console) return console.error();
  console_ = console.take();

  std::vector<kvm_dirty_gfn*> rings;
  for (unsigned index = 0; index < options_.vcpus; ++index) {
    auto vcpu = Vcpu::create(vm_, index);
    if (!vcpu) return vcpu.error();
    cpuids_.push_back({cpuid_of(vm_->host(), index, options_.vcpus)});
    if (Status set = set_cpuid(*vcpu.value(), cpuids_.back()); !set) return set;
    if (index == 0) {
      auto msrs = msrs_of(*vcpu.value());
      if (!msrs) return msrs.error();
      msrs_ = msrs.take();
    }
    rings.push_back(vcpu.value()->ring());
    auto thread = VcpuThread::start(vcpu.take(), [this](Vcpu& cpu, int failure) { return on_exit(cpu, failure); });
    if (!thread) return thread.error();
    threads_.push_back(thread.take());
  }
  if (options_.tracking == Tracking::dirty_ring) {
    auto ring = std::make_unique<KvmDirtyRing>(vm_, std::move(rings), options_.ring.period);
    ring_ = ring.get();
    tracker_ = std::move(ring);
  } else {
    tracker_ = std::make_unique<KvmDirtyLog>(vm_);
  }
  return success();
}

std::vector<Vcpu*> Machine::vcpus() {
  std::vector<Vcpu*> all;
  for (const auto& thread : threads_) all.push_back(&thread->vcpu());
  return all;
}

Machine::State Machine::state() {
  std::lock_guard lock(mutex_);
  return state_;
}

Status Machine::boot(const Kernel& kernel) {
  std::lock_guard operation(operation_);
  if (state() != State::made) return wrong_state("was booted or loaded already");
  if (Status written = write_mp_table(vm_->slots(), processors()); !written) return written;
  auto entry = load_kernel(vm_->slots(), kernel);
  if (!entry) return entry.error();

  // The others wait for the first to start them, as after a reset.
  const Vcpu& vcpu = threads_[0]->vcpu();
  constexpr const char* kWhat = "the first processor could not be set up";
  kvm_sregs system{};
  if (Status got = call(vcpu.fd(), DROVER_KVM_NAMED(KVM_GET_SREGS), &system, kWhat); !got) return got;
  kvm_segment segment{};
  segment.limit = 0xffffffff;
  segment.present = segment.db = segment.s = segment.g = 1;
  segment.selector = kCodeSelector;
  segment.type = 11;  // code, readable, accessed
  system.cs = segment;
  segment.selector = kDataSelector;
  segment.type = 3;  // data, writable, accessed
  system.ds = system.es = system.fs = system.gs = system.ss = segment;
  system.gdt.base = kGdtAddress;
  system.gdt.limit = kGdtBytes - 1;
  system.cr0 = 0x11;  // PE, ET
  system.cr4 = 0;
  if (Status set = call(vcpu.fd(), DROVER_KVM_NAMED(KVM_SET_SREGS), &system, kWhat); !set) return set;
  kvm_regs registers{};
  registers.rip = entry.value().instruction;
  registers.rbx = entry.value().ebx;
  registers.rsi = entry.value().esi;
  registers.rflags = 2;
  if (Status set = call(vcpu.fd(), DROVER_KVM_NAMED(KVM_SET_REGS), &registers, kWhat); !set) return set;
  std::lock_guard lock(mutex_);
  state_ = State::paused;
  return success();
}

machine::Processors Machine::processors() const {
  machine::Processors described{options_.vcpus, 0, 0};
  for (const kvm_cpuid_entry2& entry : cpuids_[0].entries) {
    if (entry.function != 1) continue;
    described.signature = entry.eax;
    described.features = entry.edx;
  }
  return described;
}

Status Machine::resume() {
  std::lock_guard operation(operation_);
  // Held to the end: a guest that ends meanwhile must not have its other processors resumed after it.
  std::lock_guard lock(mutex_);
  if (state_ == State::made) return wrong_state("has nothing to run: boot it or load a state first");
  if (state_ == State::ended) return wrong_state("has ended");
  state_ = State::running;
  console_->set_input(true);
  for (const auto& thread : threads_) thread->resume();
  return success();
}

Status Machine::pause(std::chrono::milliseconds timeout) {
  std::lock_guard operation(operation_);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  if (state() != State::running) return success();
  for (const auto& thread : threads_) thread->ask_pause();
  for (const auto& thread : threads_) {
    if (thread->wait_parked(deadline)) continue;
    return Error{Code::timeout, "cpu" + std::to_string(thread->vcpu().index()) + " did not pause in " +
                                    std::to_string(timeout.count()) + " ms"};
  }
  console_->set_input(false);
  std::lock_guard lock(mutex_);
  if (state_ == State::running) state_ = State::paused;
  return success();
}

Result<std::vector<Payload>> Machine::save() {
  std::lock_guard operation(operation_);
  if (state() != State::paused) return wrong_state("is not paused, so its state cannot be saved");
  const std::vector<Vcpu*> all = vcpus();
  MachineState machine;
  machine.cpuids = cpuids_;
  for (const Vcpu* vcpu : all) {
    auto cpu = get_cpu(*vcpu, msrs_);
    if (!cpu) return cpu.error();
    machine.cpus.push_back(cpu.take());
  }
  for (unsigned index = 0; index < machine.pics.size(); ++index) {
    auto pic = get_pic(*vm_, index);
    if (!pic) return pic.error();
    machine.pics[index] = pic.take();
  }
  auto ioapic = get_ioapic(*vm_);
  if (!ioapic) return ioapic.error();
  machine.ioapic = ioapic.take();
  auto pit = get_pit(*vm_);
  if (!pit) return pit.error();
  machine.pit = pit.take();
  machine.serial.port = console_->state();
  auto time = get_time(*vm_, all);
  if (!time) return time.error();
  machine.time = time.take();
  return write_payloads(machine);
}

Result<bool> Machine::load_ahead(std::vector<Payload> payloads, ClockMode mode) {
  {
    std::lock_guard operation(operation_);
    if (state() != State::made || kept_) return wrong_state("was booted or loaded already");
    auto read = read_payloads(payloads, options_.vcpus);
    if (!read) return read.error();
    const std::vector<CpuState>& cpus = read.value().cpus;
    if (std::any_of(cpus.begin(), cpus.end(), touches_memory)) {
      kept_.emplace(Kept{std::move(payloads), mode});
      return false;
    }
  }
  if (Status loaded = load(payloads, mode); !loaded) return loaded.error();
  return true;
}

Status Machine::finish_load() {
  std::optional<Kept> kept;
  {
    std::lock_guard operation(operation_);
    kept.swap(kept_);
  }
  return kept ? load(kept->payloads, kept->mode) : success();
}

// The order is KVM's: CPUID decides which registers exist; the guest's clock is there before registers that have KVM
// write times into guest memory; the I/O APIC sends to local APICs; deadlines are times of the TSC.
Status Machine::load(const std::vector<Payload>& payloads, ClockMode mode) {
  std::lock_guard operation(operation_);
  if (state() != State::made) return wrong_state("was booted or loaded already");
  auto read = read_payloads(payloads, options_.vcpus);
  if (!read) return read.error();
  const MachineState machine = read.take();
  const std::vector<Vcpu*> all = vcpus();
  for (const Vcpu* vcpu : all) {
    if (Status set = set_cpuid(*vcpu, machine.cpuids[vcpu->index()]); !set) return set;
  }
  if (Status set = set_clock(*vm_, machine.time, mode); !set) return set;
  for (const Vcpu* vcpu : all) {
    if (Status set = set_cpu(*vcpu, machine.cpus[vcpu->index()]); !set) return set;
  }
  for (unsigned index = 0; index < machine.pics.size(); ++index) {
    if (Status set = set_pic(*vm_, index, machine.pics[index]); !set) return set;
  }
  if (Status set = set_ioapic(*vm_, machine.ioapic); !set) return set;
  if (Status set = set_pit(*vm_, machine.pit); !set) return set;
  if (!console_->restore(machine.serial.port)) {
    return Error{Code::invalid_argument, "the state of com1 (machine/serial) is of no serial port"};
  }
  if (Status set = set_tscs(all, machine.time, mode); !set) return set;
  for (const Vcpu* vcpu : all) {
    if (Status set = set_tsc_deadline(*vcpu, machine.cpus[vcpu->index()]); !set) return set;
  }
  cpuids_ = machine.cpuids;
  msrs_.clear();
  for (const CpuState& cpu : machine.cpus) {
    for (const MsrValue& msr : cpu.msrs) {
      if (std::find(msrs_.begin(), msrs_.end(), msr.index) == msrs_.end()) msrs_.push_back(msr.index);
    }
  }
  std::lock_guard lock(mutex_);
  state_ = State::paused;
  return success();
}

CpuDefinition Machine::cpu_definition() {
  std::lock_guard operation(operation_);
  return {cpuids_[0].entries, msrs_};
}

std::vector<Payload> Machine::cpuid_payloads() {
  std::lock_guard operation(operation_);
  return write_cpuid_payloads(cpuids_);
}

void Machine::end(Ending ending) {
  {
    std::lock_guard lock(mutex_);
    if (state_ == State::ended) return;
    state_ = State::ended;
    for (const auto& thread : threads_) thread->ask_pause();
  }
  console_->set_input(false);
  if (options_.on_end) options_.on_end(ending);
}

VcpuThread::Next Machine::fail(const Vcpu& vcpu, const std::string& what) {
  end({Ending::Kind::failed, 0, vcpu.index(), "cpu" + std::to_string(vcpu.index()) + ": " + what,
       describe_registers(vcpu)});
  return VcpuThread::Next::stop;
}

VcpuThread::Next Machine::on_exit(Vcpu& vcpu, int failure) {
  if (failure != 0) return fail(vcpu, std::string("KVM_RUN failed: ") + std::strerror(failure));
  kvm_run& run = vcpu.run();
  switch (run.exit_reason) {
    case KVM_EXIT_IO: return on_port(vcpu);
    case KVM_EXIT_MMIO:
      if (run.mmio.is_write == 0) std::memset(run.mmio.data, kNobody, sizeof run.mmio.data);
      return VcpuThread::Next::run;
    case KVM_EXIT_INTR: return VcpuThread::Next::run;
    case KVM_EXIT_DIRTY_RING_FULL: ring_->on_full(); return VcpuThread::Next::run;
    case KVM_EXIT_SHUTDOWN: return fail(vcpu, "the guest took a triple fault");
    case KVM_EXIT_INTERNAL_ERROR: return fail(vcpu, internal_error(run));
    case KVM_EXIT_FAIL_ENTRY:
      return fail(vcpu, "the processor refused to enter the guest, reason " +
                            std::to_string(run.fail_entry.hardware_entry_failure_reason));
    default: return fail(vcpu, "KVM_RUN returned with exit reason " + std::to_string(run.exit_reason));
  }
}

VcpuThread::Next Machine::on_port(Vcpu& vcpu) {
  kvm_run& run = vcpu.run();
  uint8_t* data = reinterpret_cast<uint8_t*>(&run) + run.io.data_offset;
  const bool out = run.io.direction == KVM_EXIT_IO_OUT;
  if (out && run.io.port == kDebugExitPort) {
    uint32_t value = 0;
    std::memcpy(&value, data, std::min<size_t>(run.io.size, sizeof value));
    end({Ending::Kind::debug_exit, value, vcpu.index(), "the guest wrote to its debug-exit port"});
    return VcpuThread::Next::stop;
  }
  // A wider access goes to as many ports, as on the bus; a string instruction repeats it.
  for (uint32_t repeat = 0; repeat < run.io.count; ++repeat) {
    for (unsigned byte = 0; byte < run.io.size; ++byte, ++data) {
      const unsigned offset = run.io.port + byte - kSerialPort;
      const bool serial = run.io.port + byte >= kSerialPort && offset < kSerialPorts;
      if (serial && out) {
        console_->write(offset, *data);
      } else if (!out) {
        *data = serial ? console_->read(offset) : kNobody;
      }
    }
  }
  return VcpuThread::Next::run;
}

}  // namespace drover::kvm
