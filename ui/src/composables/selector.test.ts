import { describe, expect, it } from 'vitest';

import { matcherText, oneOf, parseMatcher, scopeMatchers, selectorText } from './selector';

describe('selector', () => {
  it('reads back what it writes', () => {
    for (const value of ['web', 'a"b', 'c\\d', 'two\nlines', '']) {
      const matcher = { label: 'pod', op: '!=', value } as const;
      expect(parseMatcher(matcherText(matcher))).toEqual(matcher);
    }
  });

  it('accepts what a person types', () => {
    expect(parseMatcher(' pod =~ web-.* ')).toEqual({ label: 'pod', op: '=~', value: 'web-.*' });
    expect(parseMatcher('pod')).toBeNull();
    expect(parseMatcher('1pod=x')).toBeNull();
  });

  it('escapes names inside an alternation', () => {
    expect(oneOf(['a.b', 'c'])).toBe('a\\.b|c');
  });

  it('turns the scope into matchers', () => {
    expect(selectorText('up', [])).toBe('up');
    expect(selectorText('up', scopeMatchers('c1', ['a', 'b']))).toBe('up{cluster="c1",namespace=~"a|b"}');
  });
});
