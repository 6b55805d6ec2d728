// What a shown log line needs, and how searched words are found in it.

export interface ShownLine {
  id: string;
  timestamp: string;
  severity: string;
  body: string;
  container: string;
  pod: string;
  namespace: string;
  cluster: string;
  workload_kind: string;
  workload: string;
  node: string;
}

export interface FoundPart { text: string; isFound: boolean }

/** The body cut at every occurrence of a word, whatever its case. */
export function splitFound(body: string, words: readonly string[]): FoundPart[] {
  const wanted = words.filter((word) => word !== '').map((word) => word.toLowerCase());
  if (wanted.length === 0) return [{ text: body, isFound: false }];
  const lower = body.toLowerCase();
  const parts: FoundPart[] = [];
  let from = 0;
  while (from < body.length) {
    let at = -1;
    let length = 0;
    for (const word of wanted) {
      const i = lower.indexOf(word, from);
      if (i >= 0 && (at < 0 || i < at || (i === at && word.length > length))) {
        at = i;
        length = word.length;
      }
    }
    if (at < 0) break;
    if (at > from) parts.push({ text: body.slice(from, at), isFound: false });
    parts.push({ text: body.slice(at, at + length), isFound: true });
    from = at + length;
  }
  if (from < body.length) parts.push({ text: body.slice(from), isFound: false });
  return parts;
}

/** What says when and how bad stands before the line already. */
const SAID = new Set(['ts', 'time', 'timestamp', '@timestamp', 'level', 'severity', 'lvl']);
const MESSAGES = ['msg', 'message', 'event'];

export interface BodyPart { text: string; isName: boolean }

/** A structured body as `message name=value …`, for reading; any other text as it is. */
export function bodyParts(body: string): BodyPart[] {
  const fields = jsonFields(body);
  if (!fields) return [{ text: body, isName: false }];
  const message = MESSAGES.map((name) => fields.find((field) => field[0] === name)).find((field) => field !== undefined);
  const rest = fields.filter((field) => field !== message && !SAID.has(field[0]));
  const parts: BodyPart[] = message ? [{ text: message[1], isName: false }] : [];
  for (const [name, value] of rest) parts.push({ text: `${parts.length > 0 ? '  ' : ''}${name}=`, isName: true }, { text: value, isName: false });
  return parts;
}

/** The fields of a body that is one JSON object; `null` for other text. */
export function jsonFields(body: string): [string, string][] | null {
  const text = body.trim();
  if (!text.startsWith('{') || !text.endsWith('}')) return null;
  try {
    const value = JSON.parse(text) as Record<string, unknown>;
    return Object.entries(value).map(([name, inner]) => [name, typeof inner === 'string' ? inner : JSON.stringify(inner)]);
  } catch {
    return null;
  }
}
