import { describe, expect, it } from 'vitest';
import { collectObstacles, passAll } from '../src/obstacles.js';

const refuse = (message: string) => () => {
  throw new Error(message);
};
const pass = () => undefined;

describe('what must hold for a VMM to start', () => {
  it('is refused with the first obstacle when it starts, and listed whole before, each cause once', async () => {
    const later = async () => refuse('memory')();
    const checks = [pass, refuse('no QEMU'), pass, later, refuse('no QEMU')];
    await expect(passAll(checks)).rejects.toThrow('no QEMU');
    expect((await collectObstacles(checks)).map(String)).toEqual(['Error: no QEMU', 'Error: memory']);
    await passAll([pass]);
    expect(await collectObstacles([pass])).toEqual([]);
  });
});
