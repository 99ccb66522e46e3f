/** Components of a spec, each on a real QEMU: that it starts, does what it is for, and moves. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { VmmEvent } from '../../src/driver.js';
import { describeQemu, launch, type, until } from '../support/qemu.js';
import { serialPort } from '../support/specs.js';
import { move } from '../support/state.js';
import { temporaryDirectory } from '../support/temporary.js';

/**
 * A boot sector that reads the first sector of the second disk to 0x8000 and prints its first byte. In 16-bit code: `xor %ax,%ax;
 * mov %ax,%ds; mov $0x42,%ah; mov $0x81,%dl; mov $0x7c17,%si; int $0x13; mov 0x8000,%al; mov $0x3f8,%dx; out %al,%dx; hlt; jmp .-1`,
 * and at 0x7c17 the packet for the firmware.
 */
const bootSector = Buffer.from(
  '31c08ed8b442b281be177ccd13a00080baf803eef4ebfd1000010000800000'.padEnd(1020, '0').concat('55aa'),
  'hex',
);
const printed = 'Z';
const secondDisk = Buffer.alloc(1024, printed);
const content = { kind: 'blob-storage', contentBase64: secondDisk.toString('base64') } as const;

const whyNoLoop = ((): string | null => {
  try {
    loseLoop(makeLoop());
    return null;
  } catch (error) {
    return `no loop device: ${error instanceof Error ? error.message.split('\n')[0] : error}`;
  }
})();

/** A block device that holds what the second disk shall, over a file which goes with it. */
function makeLoop(): { device: string; file: string } {
  const file = `/var/tmp/drover-loop-${process.pid}-${Date.now()}`;
  writeFileSync(file, secondDisk);
  try {
    return {
      file,
      device: execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim(),
    };
  } catch (error) {
    rmSync(file);
    throw error;
  }
}

function loseLoop({ device, file }: { device: string; file: string }): void {
  execFileSync('losetup', ['--detach', device]);
  rmSync(file);
}

/** A first disk for the components of a guest that reads its second one. Firmware boots from nothing smaller than 504 KiB. */
function firstDisk() {
  const path = join(temporaryDirectory(), 'first.img');
  writeFileSync(path, Buffer.concat([bootSector, Buffer.alloc(1024 * 1024 - 512)]));
  return {
    root: { kind: 'virtio-disk', backend: 'root-file' },
    'root-file': { kind: 'file-storage', path, format: 'raw' },
  } as const;
}

describeQemu('a guest', () => {
  it.each([
    ['a virtio disk', { kind: 'virtio-disk', backend: 'content' }],
    [
      'an NVMe disk without write cache',
      { kind: 'nvme-disk', backend: 'content', serial: 'N', writeCache: false },
    ],
  ] as const)('reads content out of its spec from %s', async (_what, second) => {
    const { vmm, log } = await launch({
      boot: { from: 'disks', order: ['root'] },
      components: { ...serialPort, ...firstDisk(), second, content },
    });
    await vmm.resume();
    await until('the guest prints', () => log() === printed);
  });

  it.skipIf(whyNoLoop !== null)(
    `reads a block device, past the page cache of its host${whyNoLoop === null ? '' : ` (skipped: ${whyNoLoop})`}`,
    async () => {
      const loop = makeLoop();
      onTestFinished(() => loseLoop(loop));
      const { vmm, log } = await launch({
        boot: { from: 'disks', order: ['root'] },
        components: {
          ...serialPort,
          ...firstDisk(),
          second: { kind: 'virtio-disk', backend: 'volume' },
          volume: { kind: 'block-storage', path: loop.device, request: 'size: 1 KiB' },
        },
      });
      expect(vmm.tracker().needsQuiescedRounds).toBe(true);
      await vmm.resume();
      await until('the guest prints', () => log() === printed);
      await vmm.destroy();
    },
  );

  const noVsock = existsSync('/dev/vhost-vsock') ? '' : ' (skipped: no /dev/vhost-vsock)';
  it.skipIf(noVsock !== '')(
    `starts with a vsock device, and nothing is in the way of a move${noVsock}`,
    async () => {
      const { vmm, log } = await launch({
        components: { ...serialPort, socket: { kind: 'vsock', cid: 0xfff0_0000 + (process.pid % 0x1_0000) } },
      });
      await vmm.resume();
      await until('the guest prints', () => log().startsWith('A..'));
      expect(await vmm.blockers()).toEqual([]);
    },
  );

  it('finds the SMBIOS fields of its spec in its tables', async () => {
    const { vmm, log } = await launch({
      smbios: { manufacturer: 'Drover, Example', uuid: '00112233-4455-6677-8899-aabbccddeeff' },
    });
    await vmm.resume();
    await until('the guest prints', () => log().startsWith('A..'));
    await vmm.pause();
    const memory = readFileSync(`/proc/${vmm.record.pid}/fd/${vmm.record.regions[0]?.vmmFd}`);
    const [start, end] = [memory.indexOf('_SM'), memory.indexOf('Drover, Example\0')];
    expect(start).toBeGreaterThan(0);
    expect(end).toBeGreaterThan(0);
    // The first three numbers are little-endian (SMBIOS 2.6, table 1).
    expect(memory.includes(Buffer.from('33221100554477668899aabbccddeeff', 'hex'))).toBe(true);
  });

  it('keeps its devices over a move: it reports a panic there by the device it found here (R3)', async () => {
    const components = {
      ...serialPort,
      oops: { kind: 'pvpanic', pciSlot: 5 },
      random: { kind: 'rng' },
      seed: { kind: 'virtio-disk', backend: 'content' },
      content,
    } as const;
    const source = await launch({ components });
    await source.vmm.resume();
    await until('the guest prints', () => source.log().startsWith('A..'));
    expect(await source.vmm.blockers()).toEqual([]);
    const target = await launch({ components }, { incoming: true, identity: source.vmm.record.identity });
    await move(source.vmm, target.vmm);
    const events: VmmEvent[] = [];
    target.vmm.onEvent((event) => events.push(event));
    await target.vmm.resume();
    await until('the guest goes on there', () => target.log().startsWith('..'));
    await type(target.vmm, 'c');
    await until('the panic is seen', async () => (await target.vmm.status()) === 'guest-panicked');
    expect(events.map(({ kind }) => kind)).toEqual(['guest-panicked']);
  });
});
