import { describe, expect, it } from 'vitest';

import { bodyParts, jsonFields, splitFound } from './line';

describe('line', () => {
  it('marks every occurrence and keeps the text', () => {
    const parts = splitFound('Error: no error', ['error', '']);
    expect(parts.map((part) => part.text).join('')).toBe('Error: no error');
    expect(parts.filter((part) => part.isFound).map((part) => part.text)).toEqual(['Error', 'error']);
    expect(splitFound('plain', [])).toEqual([{ text: 'plain', isFound: false }]);
  });

  it('reads the fields of a JSON line and leaves other text alone', () => {
    expect(jsonFields('{"level":"info","n":3}')).toEqual([['level', 'info'], ['n', '3']]);
    expect(jsonFields('{not json}')).toBeNull();
    expect(jsonFields('GET /')).toBeNull();
  });

  it('shows a structured line as its message and the rest as names and values', () => {
    const parts = bodyParts('{"ts":"2026","level":"info","msg":"request","status":200}');
    expect(parts.map((part) => part.text).join('')).toBe('request  status=200');
    expect(parts.map((part) => part.isName)).toEqual([false, true, false]);
    expect(bodyParts('plain {text}')).toEqual([{ text: 'plain {text}', isName: false }]);
  });
});
