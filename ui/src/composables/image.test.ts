import { describe, expect, it } from 'vitest';

import { changeText } from './image';

describe('image', () => {
  it('says of a new image only what differs', () => {
    expect(changeText('registry:5000/shop/cart:1.2 → registry:5000/shop/cart:1.3')).toBe('image 1.2 → 1.3');
    expect(changeText('old.example/shop/cart:1.2 → new.example/shop/cart:1.2')).toBe('image cart:1.2 → cart:1.2');
    expect(changeText('a/b:1@sha256:0123456789abcdef → a/b')).toBe('image 1 → latest');
  });

  it('leaves every other change as it is', () => {
    expect(changeText('3 → 4 replicas')).toBe('3 → 4 replicas');
    expect(changeText('deleted')).toBe('deleted');
  });
});
