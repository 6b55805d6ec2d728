import { describe, expect, it } from 'vitest';

import { fuzzyMatch, fuzzySort } from './fuzzy';

describe('fuzzy', () => {
  it('needs every letter in order', () => {
    expect(fuzzyMatch('wbo', 'web-0')).toBeNull();
    expect(fuzzyMatch('w0', 'web-0')?.at).toEqual([0, 4]);
  });

  it('puts whole words first', () => {
    const names = ['container_memory_rss', 'node_cpu_usage', 'container_cpu_usage'];
    expect(fuzzySort('cpu', names, (x) => x, 2)).toEqual(['node_cpu_usage', 'container_cpu_usage']);
    expect(fuzzySort('ncu', names, (x) => x, 1)).toEqual(['node_cpu_usage']);
  });

  it('keeps the order without a query', () => {
    expect(fuzzySort(' ', ['b', 'a'], (x) => x, 5)).toEqual(['b', 'a']);
  });
});
