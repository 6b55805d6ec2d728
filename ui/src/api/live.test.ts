import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { LiveClient, type Socket, type Subscription } from './live';

interface Sent { type: string; id?: string; resume?: { session: string; seq: number } }

class FakeSocket implements Socket {
  readyState = 1;
  sent: Sent[] = [];
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  send(text: string): void { this.sent.push(JSON.parse(text) as Sent); }
  close(code = 1000): void { this.readyState = 3; this.onclose?.({ code }); }
  hear(message: object): void { this.onmessage?.({ data: JSON.stringify(message) }); }
}

let sockets: FakeSocket[];
let client: LiveClient;

const last = (): FakeSocket => sockets.at(-1) as FakeSocket;

async function connected(session = 'one'): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
  last().hear({ type: 'hello', session, server_time_ms: Date.now() + 5000, is_simulated: true, ping_interval_ms: 20_000 });
}

function subscription(): Subscription<number> & { seen: number[][]; gaps: (number | null)[] } {
  const seen: number[][] = [];
  const gaps: (number | null)[] = [];
  return { topic: 'events', filter: {}, seen, gaps, onItems: (delivery) => seen.push(delivery.items), onGap: (missed) => gaps.push(missed) };
}

describe('LiveClient', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    sockets = [];
    client = new LiveClient({
      open: () => { sockets.push(new FakeSocket()); return Promise.resolve(last()); },
      now: () => Date.now(),
      random: () => 1,
    });
    client.start();
  });

  afterEach(() => {
    client.stop();
    vi.useRealTimers();
  });

  it('subscribes after hello and knows the server clock', async () => {
    client.subscribe(subscription());
    await connected();
    expect(last().sent.map((message) => [message.type, message.id])).toEqual([['subscribe', 's1']]);
    expect(client.state).toMatchObject({ phase: 'live', offset: 5000, isSimulated: true });
  });

  it('hands items over at most ten times a second', async () => {
    const sub = subscription();
    client.subscribe(sub);
    await connected();
    for (let seq = 1; seq <= 50; seq += 1) last().hear({ type: 'data', id: 's1', seq, items: [seq] });
    expect(sub.seen).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(sub.seen.map((items) => items.length)).toEqual([50]);
  });

  it('resumes where it stopped after a lost connection', async () => {
    const sub = subscription();
    client.subscribe(sub);
    await connected();
    last().hear({ type: 'subscribed', id: 's1', seq: 0, resumed: false });
    last().hear({ type: 'data', id: 's1', seq: 7, items: [1] });
    last().close(1006);
    expect(client.state.phase).toBe('reconnecting');
    await vi.advanceTimersByTimeAsync(400);
    await connected('two');
    expect(last().sent[0]?.resume).toEqual({ session: 'one', seq: 7 });
    last().hear({ type: 'subscribed', id: 's1', seq: 7, resumed: true });
    await vi.advanceTimersByTimeAsync(200);
    expect(sub.gaps).toEqual([]);
  });

  it('reports a gap when the server cannot resume or dropped items', async () => {
    const sub = subscription();
    client.subscribe(sub);
    await connected();
    last().hear({ type: 'subscribed', id: 's1', seq: 0, resumed: false });
    last().hear({ type: 'data', id: 's1', seq: 1, dropped: 3, items: [] });
    await vi.advanceTimersByTimeAsync(100);
    last().close(1006);
    await vi.advanceTimersByTimeAsync(400);
    await connected('two');
    last().hear({ type: 'subscribed', id: 's1', seq: 0, resumed: false });
    await vi.advanceTimersByTimeAsync(100);
    expect(sub.gaps).toEqual([3, null]);
  });

  it('waits longer after each failed attempt', async () => {
    await connected();
    last().close(1006);
    const counts: number[] = [];
    for (const wait of [399, 1, 799, 1]) {
      await vi.advanceTimersByTimeAsync(wait);
      counts.push(sockets.length);
      if (wait === 1) last().close(1006);
    }
    expect(counts).toEqual([1, 2, 2, 3]);
  });

  it('gives up a connection that has gone quiet', async () => {
    await connected();
    await vi.advanceTimersByTimeAsync(40_000);
    expect(client.state.phase).toBe('reconnecting');
  });

  it('stops asking for what nobody shows', async () => {
    const end = client.subscribe(subscription());
    await connected();
    end();
    end();
    expect(last().sent.map((message) => message.type)).toEqual(['subscribe', 'unsubscribe']);
  });
});
