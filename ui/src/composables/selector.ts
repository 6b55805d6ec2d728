// Series selectors, `name{label="value"}`: reading them from the address and writing them for the API.

export type MatchOp = '=' | '!=' | '=~' | '!~';
export interface Matcher { label: string; op: MatchOp; value: string }
export interface Selector { name: string; matchers: Matcher[] }

const quoted = (value: string): string => `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;

export function matcherText(matcher: Matcher): string {
  return `${matcher.label}${matcher.op}${quoted(matcher.value)}`;
}

export function selectorText(name: string, matchers: readonly Matcher[]): string {
  return matchers.length === 0 ? name : `${name}{${matchers.map(matcherText).join(',')}}`;
}

/** One matcher as typed by a person: `pod=~web-.*`, with or without quotes. */
export function parseMatcher(text: string): Matcher | null {
  const match = /^\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(=~|!~|!=|=)\s*(.*?)\s*$/s.exec(text);
  if (!match) return null;
  const [, label = '', op = '=', raw = ''] = match;
  const inner = /^"(.*)"$/s.exec(raw)?.[1];
  const value = inner === undefined ? raw : inner.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  return { label, op: op as MatchOp, value };
}

/** A regular expression that matches exactly one of the texts. */
export function oneOf(texts: readonly string[]): string {
  return texts.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
}

/** The matchers of the page's scope: one cluster, some namespaces. */
export function scopeMatchers(cluster: string | null, namespaces: readonly string[]): Matcher[] {
  const matchers: Matcher[] = [];
  if (cluster) matchers.push({ label: 'cluster', op: '=', value: cluster });
  const only = namespaces[0];
  if (namespaces.length === 1 && only !== undefined) matchers.push({ label: 'namespace', op: '=', value: only });
  if (namespaces.length > 1) matchers.push({ label: 'namespace', op: '=~', value: oneOf(namespaces) });
  return matchers;
}

const MATCHER = /\s*([A-Za-z_][A-Za-z0-9_.]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(,|$)/gy;

/** Reads `name{label="value",…}` back; what cannot be read is left out. */
export function parseSelector(text: string): Selector {
  const [, name = '', inner = ''] = /^\s*([A-Za-z_:][A-Za-z0-9_:.]*)?\s*(?:\{(.*)\})?\s*$/s.exec(text) ?? [];
  const matchers: Matcher[] = [];
  MATCHER.lastIndex = 0;
  for (let found = MATCHER.exec(inner); found; found = MATCHER.exec(inner)) {
    const matcher = parseMatcher(`${found[1] ?? ''}${found[2] ?? ''}"${found[3] ?? ''}"`);
    if (matcher) matchers.push(matcher);
  }
  return { name, matchers };
}
