import { describe, expect, it } from 'vitest';

import { sentences } from './problem';

describe('problem', () => {
  it('is written as sentences, and leaves out what is not said', () => {
    const problem = { title: 'Forbidden', status: 403, detail: 'this needs the role admin', hint: 'ask an admin.' };
    expect(sentences(problem)).toEqual(['Forbidden.', 'This needs the role admin.', 'Ask an admin.']);
    expect(sentences({ title: 'Busy', status: 503, detail: '' })).toEqual(['Busy.']);
  });
});
