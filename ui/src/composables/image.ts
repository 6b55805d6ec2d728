// Container images as people tell them apart: by what differs.

/** `registry/shop/cart:1.2` in its parts; a port of the registry is no tag. */
function partsOf(image: string): { repository: string; tag: string } {
  const [path = '', digest] = image.split('@');
  const colon = path.lastIndexOf(':');
  const isTag = colon > path.lastIndexOf('/');
  return { repository: isTag ? path.slice(0, colon) : path, tag: (isTag ? path.slice(colon + 1) : '') || (digest?.slice(0, 19) ?? 'latest') };
}

const shortOf = (image: string): string => image.split('/').at(-1) ?? image;

/** A change in words: of an image only what differs, its tag if it is the same repository; anything else as it is. */
export function changeText(what: string): string {
  const [before, after, ...more] = what.split(' → ');
  if (before === undefined || after === undefined || more.length > 0 || !before.includes('/') || !after.includes('/')) return what;
  const [old, next] = [partsOf(before), partsOf(after)];
  return old.repository === next.repository ? `image ${old.tag} → ${next.tag}` : `image ${shortOf(before)} → ${shortOf(after)}`;
}
