import { describe, expect, it } from 'vitest';

import { revisionOf } from './useRollouts';

describe('useRollouts', () => {
  it('reads a revision from a replica set', () => {
    const manifest = { metadata: { annotations: { 'deployment.kubernetes.io/revision': '33' } }, spec: { replicas: 2, template: { spec: { containers: [{ image: 'a:1' }, { image: 'b:2' }] } } }, status: { readyReplicas: 1 } };
    expect(revisionOf({ name: 'cart-1', created: null, manifest })).toEqual({ name: 'cart-1', number: 33, created: null, images: ['a:1', 'b:2'], desired: 2, ready: 1 });
  });

  it('does without what is not there', () => {
    expect(revisionOf({ name: 'x', created: null, manifest: {} })).toEqual({ name: 'x', number: null, created: null, images: [], desired: 0, ready: 0 });
  });
});
