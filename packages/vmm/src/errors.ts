/** Every error of the VMM drivers. */
import { defineErrors } from '@drover/types';

export const vmmErrors = defineErrors({
  'qmp-timeout': {
    status: 504,
    retryable: true,
    summary:
      'QEMU did not answer on its monitor socket in time. It may be blocked by a slow disk, or another client holds the socket.',
  },
  'qmp-closed': {
    status: 502,
    retryable: false,
    summary: "QEMU closed its monitor connection; the message ends with QEMU's own last words.",
  },
  'qmp-protocol': {
    status: 502,
    retryable: false,
    summary:
      'What came over the monitor socket is not QMP, or a line was over the limit. Check what runs there.',
  },
  'qmp-command-failed': {
    status: 502,
    retryable: false,
    summary: "QEMU refused a monitor command; the message carries QEMU's own text.",
  },
  'qmp-cancelled': {
    status: 499,
    retryable: true,
    summary: 'The caller gave up waiting for QEMU.',
  },
  'qemu-unusable': {
    status: 503,
    retryable: false,
    summary:
      'QEMU is not installed, does not start, or is too old for this driver. The message names the remedy.',
  },
  'qemu-start-failed': {
    status: 500,
    retryable: false,
    summary: "QEMU ended, or did not answer, while it was started; the message carries QEMU's own last line.",
  },
  'qemu-save-failed': {
    status: 500,
    retryable: true,
    summary: 'QEMU could not write its device state. The guest stays paused and can be resumed.',
  },
  'qemu-save-cancelled': {
    status: 499,
    retryable: true,
    summary: 'Saving device state was cancelled. The guest stays paused and can be resumed.',
  },
  'qemu-load-failed': {
    status: 500,
    retryable: true,
    summary: 'QEMU could not load the device state it was sent. This VMM is of no further use; end it.',
  },
  'qemu-not-loaded': {
    status: 409,
    retryable: false,
    summary:
      'An incoming VMM was told to run before its device state was loaded, or to load without being incoming.',
  },
  'driver-missing': {
    status: 422,
    retryable: false,
    summary: 'This host has no driver for the kind of VMM that the spec or the record names.',
  },
  'machine-unusable': {
    status: 503,
    retryable: false,
    summary:
      'No machine runs on this host: /dev/kvm is missing, may not be opened, or lacks something that the message names.',
  },
  'machine-start-failed': {
    status: 500,
    retryable: false,
    summary:
      'A machine ended, did not answer, or refused its kernel while it was started; the message says why.',
  },
  'machine-timeout': {
    status: 504,
    retryable: true,
    summary: 'A machine did not answer on its socket in time. The host may be overloaded.',
  },
  'machine-closed': {
    status: 502,
    retryable: false,
    summary: 'A machine closed its connection; the message ends with its last words.',
  },
  'machine-protocol': {
    status: 502,
    retryable: false,
    summary: 'What came over the socket of a machine is not the machine protocol. Check what runs there.',
  },
  'machine-version-unknown': {
    status: 409,
    retryable: false,
    summary:
      'A machine and this agent share no version of the machine protocol. It was left as it is; use an agent of a release that speaks its version.',
  },
  'machine-refused': {
    status: 502,
    retryable: false,
    summary: "A machine refused a request; the message carries the machine's own sentence.",
  },
  'machine-cancelled': {
    status: 499,
    retryable: true,
    summary: 'The caller gave up waiting for a machine.',
  },
  'machine-save-failed': {
    status: 500,
    retryable: true,
    summary: 'A machine could not write its state. The guest stays paused and can be resumed.',
  },
  'machine-load-failed': {
    status: 500,
    retryable: true,
    summary:
      'A machine could not load the state it was sent; the message names the part. This VMM is of no further use; end it.',
  },
  'machine-not-loaded': {
    status: 409,
    retryable: false,
    summary:
      'An incoming machine was told to run before its state was loaded, or to load without being incoming.',
  },
  'vmm-gone': {
    status: 410,
    retryable: false,
    summary: 'The process of a recorded VMM does not exist any more. Start the instance again.',
  },
  'vmm-not-adoptable': {
    status: 409,
    retryable: false,
    summary:
      'A recorded VMM runs, but its guest memory or its monitor could not be reached. It was left as it is.',
  },
  'vmm-not-pausable': {
    status: 409,
    retryable: true,
    summary: 'The guest could not be paused: it has shut down, panicked, failed or sleeps.',
  },
  'vmm-running': {
    status: 409,
    retryable: false,
    summary: 'Device state can only be saved while the guest is paused.',
  },
  'vmm-cannot-end': {
    status: 500,
    retryable: true,
    summary:
      'The VMM process did not end even after SIGKILL; it hangs in the kernel. Look at its disks and mounts.',
  },
  'vmm-directory-too-long': {
    status: 422,
    retryable: false,
    summary:
      'The path of the VMM directory leaves no room for unix socket names (107 bytes). Use a shorter run directory.',
  },
  'vmm-directory-in-use': {
    status: 409,
    retryable: false,
    summary: 'The VMM directory exists and holds files. End what uses it, or remove it.',
  },
  'shim-missing': {
    status: 503,
    retryable: false,
    summary:
      'The library that is preloaded into QEMU is not built or did not start. Run `npm run bootstrap`.',
  },
  'accelerator-unusable': {
    status: 422,
    retryable: false,
    summary: 'The accelerator that the spec or the running instance needs does not work on this host.',
  },
  'machine-type-unknown': {
    status: 422,
    retryable: false,
    summary:
      "This host's QEMU does not have that machine type. Install a QEMU that has it, or choose another.",
  },
  'cpu-model-unknown': {
    status: 422,
    retryable: false,
    summary: "This host's QEMU does not have that CPU model.",
  },
  'cpu-not-offered': {
    status: 409,
    retryable: false,
    summary:
      "The destination's processor lacks features or registers that the guest was shown of its own; the message names them. Nothing was made there. Choose a host that has them.",
  },
  'clock-not-stoppable': {
    status: 409,
    retryable: false,
    summary:
      "The spec asks for stopped time, and this host's KVM cannot set a guest's time stamp counter. Set clock to wall, or use a host whose KVM can.",
  },
  'too-many-cpus': {
    status: 422,
    retryable: false,
    summary: 'The machine type does not take that many CPUs.',
  },
  'spec-unsupported-by-qemu': {
    status: 422,
    retryable: false,
    summary:
      'The spec asks for something that this machine type or driver cannot provide; the message names it. Leave it out.',
  },
  'spec-unsupported-by-machine': {
    status: 422,
    retryable: false,
    summary:
      'The spec asks for something that a machine does not have; the message names it. Leave it out, or set vmm to "qemu".',
  },
  'boot-file-unreadable': {
    status: 422,
    retryable: false,
    summary: 'The kernel or initrd of the spec is missing on this host or cannot be read.',
  },
  'disk-unusable': {
    status: 422,
    retryable: false,
    summary:
      'A disk of the spec is missing on this host, cannot be opened as needed, or is no file or block device.',
  },
  'disk-image-unusable': {
    status: 422,
    retryable: false,
    summary:
      'A qcow2 disk of the spec is no qcow2 image, or a backing file of it is not on this host. Put it there, or correct its format.',
  },
  'network-interface-missing': {
    status: 422,
    retryable: false,
    summary: 'The tap interface of the spec does not exist on this host. Create it with `ip tuntap add`.',
  },
  'vsock-unusable': {
    status: 422,
    retryable: false,
    summary:
      'The spec has a vsock device, and /dev/vhost-vsock cannot be opened on this host. Load it with `modprobe vhost_vsock`.',
  },
  'memory-insufficient': {
    status: 507,
    retryable: true,
    summary: 'The host has less memory available than the guest may use. Free memory or choose another host.',
  },
  'device-states-unknown': {
    status: 503,
    retryable: true,
    summary:
      'QEMU does not tell which device states it can save and load (-dump-vmstate), so its guests cannot be moved. Use another build of QEMU.',
  },
  'blocker-tracking': {
    status: 422,
    retryable: false,
    summary:
      'The kernel of this host cannot tell what a guest of QEMU writes, so that none can be moved from it live. See `drover doctor`.',
  },
  'blocker-vhost-user': {
    status: 422,
    retryable: false,
    summary:
      'A vhost-user device writes guest memory from another process, past the tracker. Use a tap network.',
  },
  'blocker-vfio': {
    status: 422,
    retryable: false,
    summary: 'A host device given to the guest writes guest memory by itself, past the tracker. Remove it.',
  },
  'blocker-vdpa': {
    status: 422,
    retryable: false,
    summary: 'A vDPA device writes guest memory by itself, past the tracker. Use a tap network.',
  },
  'blocker-nvme': {
    status: 422,
    retryable: false,
    summary:
      "QEMU cannot save its NVMe controller's state. Use a virtio disk for an instance that shall move.",
  },
  'blocker-device-state': {
    status: 422,
    retryable: false,
    summary:
      'The QEMU that runs the guest cannot save the state of one of its devices, or does not tell. Use a newer QEMU.',
  },
  'blocker-direct-io': {
    status: 422,
    retryable: false,
    summary:
      'Disks with cache=none pin guest pages, and this host is set not to move such guests. Use cache=writeback.',
  },
  'blocker-qemu': {
    status: 422,
    retryable: false,
    summary: 'QEMU itself says that this guest cannot be migrated; the message carries its reason.',
  },
});
