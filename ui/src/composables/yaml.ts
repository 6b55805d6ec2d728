// A manifest as YAML lines, each cut into tokens, so that it is shown with colours and without markup in strings.

export type TokenKind = 'key' | 'string' | 'number' | 'literal' | 'mark';
export interface YamlToken { kind: TokenKind; text: string }
export interface YamlLine { indent: number; tokens: YamlToken[] }

const PLAIN = /^[A-Za-z_./][A-Za-z0-9_./:@+ -]*$/;
const RESERVED = /^(true|false|null|yes|no|on|off|~|y|n)$/i;

function isPlain(text: string): boolean {
  return PLAIN.test(text) && !RESERVED.test(text) && !text.includes(': ') && !text.endsWith(':') && !text.endsWith(' ');
}

const stringText = (text: string): string => (isPlain(text) ? text : JSON.stringify(text));

function scalar(value: unknown): YamlToken {
  if (typeof value === 'string') return { kind: 'string', text: stringText(value) };
  if (typeof value === 'number') return { kind: 'number', text: String(value) };
  return { kind: 'literal', text: String(value) };
}

const isNested = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isEmpty = (value: object): boolean => Object.keys(value).length === 0;

function append(lines: YamlLine[], value: object, indent: number): void {
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) appendItem(lines, item, indent);
    return;
  }
  for (const [key, inner] of Object.entries(value)) appendEntry(lines, key, inner, indent, []);
}

function appendItem(lines: YamlLine[], item: unknown, indent: number): void {
  const dash: YamlToken = { kind: 'mark', text: '- ' };
  if (!isNested(item) || isEmpty(item)) {
    lines.push({ indent, tokens: [dash, isNested(item) ? emptyToken(item) : scalar(item)] });
    return;
  }
  const start = lines.length;
  append(lines, item, indent + 2);
  const first = lines[start];
  if (first) lines[start] = { indent, tokens: [dash, ...first.tokens] };
}

const emptyToken = (value: object): YamlToken => ({ kind: 'mark', text: Array.isArray(value) ? '[]' : '{}' });

function appendEntry(lines: YamlLine[], key: string, value: unknown, indent: number, before: YamlToken[]): void {
  const head: YamlToken[] = [...before, { kind: 'key', text: stringText(key) }, { kind: 'mark', text: ':' }];
  if (typeof value === 'string' && value.includes('\n')) {
    lines.push({ indent, tokens: [...head, { kind: 'mark', text: value.endsWith('\n') ? ' |' : ' |-' }] });
    for (const row of value.replace(/\n$/, '').split('\n')) lines.push({ indent: indent + 2, tokens: [{ kind: 'string', text: row }] });
  } else if (!isNested(value)) {
    lines.push({ indent, tokens: [...head, { kind: 'mark', text: ' ' }, scalar(value)] });
  } else if (isEmpty(value)) {
    lines.push({ indent, tokens: [...head, { kind: 'mark', text: ' ' }, emptyToken(value)] });
  } else {
    lines.push({ indent, tokens: head });
    append(lines, value, Array.isArray(value) ? indent : indent + 2);
  }
}

export function yamlLines(value: object): YamlLine[] {
  const lines: YamlLine[] = [];
  append(lines, value, 0);
  return lines;
}

export function yamlText(value: object): string {
  return yamlLines(value)
    .map((line) => ' '.repeat(line.indent) + line.tokens.map((token) => token.text).join(''))
    .join('\n')
    .concat('\n');
}
