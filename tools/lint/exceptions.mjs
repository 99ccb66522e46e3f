/**
 * What may look like a wire structure outside `packages/protocol`, and why. A path is a file, or a folder with its slash. A line that
 * nothing needs any more is a finding itself.
 *
 * @typedef {object} Exception
 * @property {string} path
 * @property {string} rule
 * @property {string} why
 */

/** @type {readonly Exception[]} */
export const exceptions = [
  {
    path: 'packages/vmm/src/qemu/kernel-image.ts',
    rule: 'binary-field',
    why: "the ELF headers of a kernel file, which is QEMU's to load; nothing is sent",
  },
  {
    path: 'packages/control-plane/src/testing/fake-fleet.ts',
    rule: 'json-on-socket',
    why: 'the bodies of a simulated agent API, held to its contract; it listens as a server and so imports node:http',
  },
  {
    path: 'packages/vmm/src/qemu/disk-image.ts',
    rule: 'binary-field',
    why: "the header of a qcow2 image, which is QEMU's to open; nothing is sent",
  },
  {
    path: 'native/src/core/base/little_endian.h',
    rule: 'byte-order',
    why: 'how C++ writes the integers of the peer protocol and of the state stream',
  },
  {
    path: 'native/src/core/machine/state_stream.cc',
    rule: 'byte-order',
    why: "the machine protocol's state stream while a guest stands still, held to the protocol's golden vectors by its tests",
  },
  {
    path: 'native/src/core/transfer/frames.cc',
    rule: 'byte-order',
    why: 'the layouts of the page channels, held to the golden vectors of packages/protocol',
  },
  {
    path: 'native/src/core/transfer/peer_listener.cc',
    rule: 'byte-order',
    why: "the port in the kernel's socket address",
  },
  {
    path: 'native/src/core/machine/boot/',
    rule: 'byte-order',
    why: 'headers of kernel images, and the tables that a guest finds in its memory at boot',
  },
  {
    path: 'native/src/core/machine/archive.h',
    rule: 'byte-order',
    why: "the parts of a VM's own state, which travels as data of its device kind and has that kind's version",
  },
];
