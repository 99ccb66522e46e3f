import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { spec, startTestAgent } from '../support/agent.js';
import { until } from '../support/until.js';

describe('the serial console', () => {
  it('carries bytes both ways over a WebSocket whose URL has the version', async () => {
    const { client } = await startTestAgent();
    await client.createInstance({ spec: spec('web-1'), start: true });
    const socket = new WebSocket(client.openConsole('web-1'));
    await once(socket, 'open');
    socket.send('hello\n');
    const [answer] = (await once(socket, 'message')) as [Buffer];
    expect(answer.toString()).toBe('HELLO\n');
    socket.close();
    await once(socket, 'close');
  });

  it('takes the version from the header too', async () => {
    const { client } = await startTestAgent();
    await client.createInstance({ spec: spec('web-1'), start: true });
    const url = client.openConsole('web-1').replace(/\?.*/, '');
    const socket = new WebSocket(url, { headers: { 'api-version': '1.0.0' } });
    await once(socket, 'open');
    socket.close();
    await once(socket, 'close');
  });

  it('is refused before the upgrade: without a VMM, without an instance, in an unknown version', async () => {
    const { client } = await startTestAgent();
    await client.createInstance({ spec: spec('web-1') });
    const cases = [
      [client.openConsole('web-1'), 409],
      [client.openConsole('nobody'), 404],
      [client.openConsole('web-1').replace(/=.*/, '=9.0.0'), 400],
    ] as const;
    for (const [url, status] of cases) {
      const socket = new WebSocket(url);
      const [, response] = await once(socket, 'unexpected-response');
      expect([url, response.statusCode]).toEqual([url, status]);
    }
  });

  it('closes when the VMM goes, and when the agent stops', async () => {
    const test = await startTestAgent();
    await test.client.createInstance({ spec: spec('web-1'), start: true });
    const first = new WebSocket(test.client.openConsole('web-1'));
    await once(first, 'open');
    const firstClosed = once(first, 'close');
    first.send('x');
    await once(first, 'message');
    await test.agent.close();
    await firstClosed;
    expect(first.readyState).toBe(WebSocket.CLOSED);
    await until(
      async () => test.host.vmms.size,
      (count) => count === 1,
    );
  });
});
