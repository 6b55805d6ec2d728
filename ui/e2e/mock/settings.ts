// What people set, as the real server keeps it: a retention with revisions, and tokens with roles.
import type { RetentionAnswer, RetentionSpan, TokenCreated, TokenRequest, TokenRow } from '../../src/api/types';
import { spanMs } from '../../src/composables/retention';
import type { Answer } from './routes';

export interface Sent { body?: unknown; ifMatch?: string | undefined; by?: string; role?: TokenRow['role'] }

const CONFIGURED: Readonly<Record<string, string>> = { metrics_10s: '2d', metrics_1m: '14d', metrics_5m: '60d', metrics_1h: '400d', logs: '7d', events: '30d' };
const DAY_MS = 86_400_000;
const refusal = (status: number, code: string, title: string, detail: string, hint: string): Answer => ({ status, body: { type: `urn:sentinel:problem:${code}`, title, status, detail, hint, code, instance: '' } });
const notAdmin = (role: string): Answer => refusal(403, 'role_too_low', 'Forbidden', `this needs the role admin, and the token has the role ${role}`, 'ask an admin for a token of that role: sentinel tokens create');

export class MockSettings {
  private revision = 0;
  private nextRevision = 1;
  private set: Record<string, string> = {};
  private changed: { at: string; by: string } | null = null;
  private readonly made = new Map<string, TokenRow>();

  /** Of a token that was made here and not revoked. */
  roleOf(token: string): TokenRow['role'] | null {
    return this.made.get(token)?.role ?? null;
  }

  retention(method: string, { body, ifMatch, by = '', role = 'admin' }: Sent): Answer {
    if (method === 'GET') return this.answer([]);
    if (role !== 'admin') return notAdmin(role);
    if (ifMatch !== undefined && ifMatch !== `"${this.revision}"`) {
      return refusal(412, 'changed_meanwhile', 'Precondition Failed', `retention is at revision ${this.revision}, not ${ifMatch.replaceAll('"', '')}: somebody else has changed it`, 'read it again, and send its revision as If-Match');
    }
    const before = this.spans();
    this.set = method === 'DELETE' ? {} : Object.fromEntries(Object.entries(body as Record<string, string | null>).filter((entry): entry is [string, string] => entry[1] !== null));
    this.revision = method === 'DELETE' ? 0 : this.nextRevision;
    this.nextRevision += 1;
    this.changed = method === 'DELETE' ? null : { at: new Date().toISOString(), by };
    const ms = (span: RetentionSpan | undefined): number => spanMs(span?.set ?? span?.configured ?? '') ?? 0;
    const shorter = this.spans().filter((span, i) => ms(span) < ms(before[i]));
    return this.answer(shorter.map((span) => `${span.name} are kept for ${span.set ?? span.configured} now: what is older is being deleted for good`));
  }

  private spans(): RetentionSpan[] {
    return Object.entries(CONFIGURED).map(([name, configured]) => ({ name, configured, set: this.set[name] ?? null, may_be_longer: false }));
  }

  private answer(warnings: string[]): Answer {
    const body: RetentionAnswer = { revision: this.revision, changed: this.changed?.at ?? null, changed_by: this.changed?.by ?? null, spans: this.spans(), is_unreadable: false, warnings };
    return { status: 200, body };
  }

  tokens(method: string, id: string | undefined, { body, by = '', role = 'admin' }: Sent): Answer {
    if (role !== 'admin') return notAdmin(role);
    const rows = [...this.made.values()].sort((a, b) => a.name.localeCompare(b.name));
    if (method === 'GET' && id === undefined) return { status: 200, body: { items: rows } };
    if (method === 'POST') return this.create(body as TokenRequest, by);
    const [token, row] = [...this.made].find(([, one]) => one.id === id) ?? [];
    if (token === undefined) return refusal(404, 'not_found', 'Not Found', 'there is no such token', 'it may be gone');
    if (method === 'DELETE') this.made.delete(token);
    return { status: 200, body: row };
  }

  private create(request: TokenRequest, by: string): Answer {
    const id = (this.made.size + 1).toString(16).padStart(16, '5');
    const token = `smt_${id}_${'0123456789abcdef'.repeat(4)}`;
    const lifetime = request.expires_in ? (spanMs(request.expires_in) ?? DAY_MS) : null;
    const row: TokenRow = { id, name: request.name, role: request.role, created: new Date().toISOString(), created_by: by, expires: lifetime === null ? null : new Date(Date.now() + lifetime).toISOString(), is_expired: false };
    this.made.set(token, row);
    const created: TokenCreated = { ...row, token, warnings: [] };
    return { status: 201, body: created };
  }
}
