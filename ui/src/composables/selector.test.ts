import { describe, expect, it } from 'vitest';

import { matcherText, oneOf, parseMatcher, parseSelector, scopeMatchers, selectorText } from './selector';

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

  it('reads a whole selector back', () => {
    const matchers = [{ label: 'pod', op: '=~' as const, value: 'a{1,2}|"b"' }, { label: 'ns', op: '!=' as const, value: 'x,y' }];
    expect(parseSelector(selectorText('up', matchers))).toEqual({ name: 'up', matchers });
    expect(parseSelector('up')).toEqual({ name: 'up', matchers: [] });
    expect(parseSelector('not a selector')).toEqual({ name: '', matchers: [] });
  });
});
