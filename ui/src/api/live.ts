// The live connection: one WebSocket for the whole page, many subscriptions on it.
// It knows nothing of Vue. Items are queued as they come and handed over at most ten times a second.
import type { Problem } from './types';

export type Topic = 'metrics' | 'objects' | 'usage' | 'events' | 'logs' | 'pipeline';
export type Phase = 'connecting' | 'live' | 'reconnecting' | 'forbidden';
export type Filter = Record<string, unknown>;

export interface LiveState {
  phase: Phase;
  /** When the phase began. */
  since: number;
  /** Server clock minus this machine's clock. */
  offset: number;
  /** Arrival of the last message of any kind. */
  heard: number;
  isSimulated: boolean;
}

export interface Delivery<T> { items: T[]; timeMs: number }

export interface Subscription<T> {
  topic: Topic;
  filter: Filter;
  maxRate?: number;
  onItems: (delivery: Delivery<T>) => void;
  /** Items were missed: what is shown must be read again. */
  onGap?: (missed: number | null) => void;
  /** The server has taken the subscription; from here on nothing is missed unseen. */
  onReady?: () => void;
  onProblem?: (problem: Problem) => void;
}

/** The part of WebSocket that is used, so that tests need no network. */
export interface Socket {
  readyState: number;
  send: (text: string) => void;
  close: (code?: number) => void;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
}

export interface LiveOptions {
  /** Told how many attempts failed before it. */
  open: (nFailed: number) => Promise<Socket>;
  now: () => number;
  random: () => number;
}

interface Entry {
  id: string;
  subscription: Subscription<unknown>;
  session: string | null;
  seq: number;
  queue: unknown[];
  timeMs: number;
  missed: number;
  isGap: boolean;
}

interface ServerMessage {
  type: string;
  id?: string;
  seq?: number;
  resumed?: boolean;
  time_ms?: number;
  dropped?: number;
  items?: unknown;
  session?: string;
  server_time_ms?: number;
  is_simulated?: boolean;
  ping_interval_ms?: number;
  problem?: Problem;
}

const FLUSH_MS = 100;
const FIRST_DELAY_MS = 400;
const LAST_DELAY_MS = 15_000;
/** A hidden tab is flushed rarely; what does not fit is counted as missed. */
const QUEUE_ITEMS = 20_000;

export class LiveClient {
  state: LiveState;
  private readonly options: LiveOptions;
  private readonly entries = new Map<string, Entry>();
  private readonly watchers = new Set<(state: LiveState) => void>();
  private socket: Socket | null = null;
  private session: string | null = null;
  private attempts = 0;
  private nextId = 1;
  private isStarted = false;
  private retryTimer: ReturnType<typeof setTimeout> | null = null;
  private flushTimer: ReturnType<typeof setTimeout> | null = null;
  private pingTimer: ReturnType<typeof setInterval> | null = null;

  constructor(options: LiveOptions) {
    this.options = options;
    this.state = { phase: 'connecting', since: options.now(), offset: 0, heard: 0, isSimulated: false };
  }

  start(): void {
    if (this.isStarted) return;
    this.isStarted = true;
    void this.connect();
  }

  stop(): void {
    this.isStarted = false;
    this.clearTimers();
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
  }

  watch(watcher: (state: LiveState) => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /** Tries at once instead of waiting for the next attempt. */
  retry(): void {
    if (!this.isStarted || this.socket) return;
    if (this.retryTimer) clearTimeout(this.retryTimer);
    this.attempts = 0;
    void this.connect();
  }

  subscribe<T>(subscription: Subscription<T>): () => void {
    const id = `s${this.nextId++}`;
    const entry: Entry = {
      id, subscription: subscription as Subscription<unknown>, session: null, seq: 0, queue: [], timeMs: 0, missed: 0, isGap: false,
    };
    this.entries.set(id, entry);
    if (this.state.phase === 'live') this.sendSubscribe(entry);
    return () => {
      if (this.entries.delete(id) && this.state.phase === 'live') this.send({ type: 'unsubscribe', id });
    };
  }

  private async connect(): Promise<void> {
    this.retryTimer = null;
    try {
      const socket = await this.options.open(this.attempts);
      if (!this.isStarted) {
        socket.close(1000);
        return;
      }
      this.socket = socket;
      socket.onmessage = (event) => this.onMessage(socket, event.data);
      socket.onclose = (event) => this.onClose(socket, event.code);
    } catch (error) {
      const status = (error as { problem?: Problem }).problem?.status;
      this.onLost(status === 401 || status === 403);
    }
  }

  private onMessage(socket: Socket, data: unknown): void {
    if (socket !== this.socket || typeof data !== 'string') return;
    let message: ServerMessage;
    try {
      message = JSON.parse(data) as ServerMessage;
    } catch {
      socket.close(1003);
      return;
    }
    this.state.heard = this.options.now();
    switch (message.type) {
      case 'hello': return this.onHello(message);
      case 'subscribed': return this.onSubscribed(message);
      case 'data': return this.onData(message);
      case 'error': return this.entries.get(message.id ?? '')?.subscription.onProblem?.(message.problem ?? { title: 'Refused', status: 0 });
    }
  }

  private onHello(message: ServerMessage): void {
    this.attempts = 0;
    this.session = message.session ?? null;
    const offset = (message.server_time_ms ?? this.options.now()) - this.options.now();
    this.setState({ phase: 'live', offset, isSimulated: message.is_simulated ?? false });
    for (const entry of this.entries.values()) this.sendSubscribe(entry);
    const interval = message.ping_interval_ms ?? 20_000;
    this.pingTimer = setInterval(() => this.beat(interval), interval / 2);
  }

  private beat(interval: number): void {
    if (this.options.now() - this.state.heard > interval * 1.5) {
      this.socket?.close(4000);
      if (this.socket) this.onClose(this.socket, 4000);
    } else {
      this.send({ type: 'ping' });
    }
  }

  private onSubscribed(message: ServerMessage): void {
    const entry = this.entries.get(message.id ?? '');
    if (!entry) return;
    if (entry.session !== null && message.resumed !== true) {
      entry.isGap = true;
      this.scheduleFlush();
    }
    entry.session = this.session;
    if (message.resumed !== true) entry.seq = message.seq ?? 0;
    entry.subscription.onReady?.();
  }

  private onData(message: ServerMessage): void {
    const entry = this.entries.get(message.id ?? '');
    if (!entry || !Array.isArray(message.items)) return;
    entry.missed += message.dropped ?? 0;
    entry.seq = message.seq ?? entry.seq;
    entry.timeMs = message.time_ms ?? this.options.now();
    for (const item of message.items as unknown[]) entry.queue.push(item);
    const excess = entry.queue.length - QUEUE_ITEMS;
    if (excess > 0) {
      entry.queue.splice(0, excess);
      entry.missed += excess;
    }
    this.scheduleFlush();
  }

  private scheduleFlush(): void {
    this.flushTimer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  private flush(): void {
    this.flushTimer = null;
    for (const entry of [...this.entries.values()]) {
      const { queue, missed, isGap } = entry;
      entry.queue = [];
      entry.missed = 0;
      entry.isGap = false;
      if (queue.length > 0) entry.subscription.onItems({ items: queue, timeMs: entry.timeMs });
      if (missed > 0 || isGap) entry.subscription.onGap?.(isGap ? null : missed);
    }
  }

  private onClose(socket: Socket, code: number): void {
    if (socket !== this.socket) return;
    this.socket = null;
    this.onLost(code === 4401 || code === 4403);
  }

  private onLost(isForbidden: boolean): void {
    if (this.pingTimer) clearInterval(this.pingTimer);
    this.pingTimer = null;
    if (!this.isStarted) return;
    const isFirst = this.state.phase === 'connecting' && this.attempts === 0;
    this.setState({ phase: isForbidden ? 'forbidden' : isFirst ? 'connecting' : 'reconnecting' });
    const longest = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.attempts);
    this.attempts += 1;
    this.retryTimer = setTimeout(() => void this.connect(), longest * (0.5 + this.options.random() / 2));
  }

  private sendSubscribe(entry: Entry): void {
    const { topic, filter, maxRate } = entry.subscription;
    const resume = entry.session === null ? undefined : { session: entry.session, seq: entry.seq };
    this.send({ type: 'subscribe', id: entry.id, topic, filter, max_rate: maxRate ?? 10, resume });
  }

  private send(message: object): void {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }

  private setState(change: Partial<LiveState>): void {
    const since = change.phase !== undefined && change.phase !== this.state.phase ? this.options.now() : this.state.since;
    this.state = { ...this.state, ...change, since };
    for (const watcher of this.watchers) watcher(this.state);
  }

  private clearTimers(): void {
    if (this.retryTimer) clearTimeout(this.retryTimer);
    if (this.flushTimer) clearTimeout(this.flushTimer);
    if (this.pingTimer) clearInterval(this.pingTimer);
    this.retryTimer = this.flushTimer = this.pingTimer = null;
  }
}
