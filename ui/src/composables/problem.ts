// What the API says went wrong, as sentences for people.
import type { Problem } from '../api/types';

export function sentences({ title, detail, hint }: Problem): string[] {
  return [title, detail, hint].flatMap((text) => {
    const plain = text?.trim() ?? '';
    if (plain === '') return [];
    const sentence = plain.charAt(0).toUpperCase() + plain.slice(1);
    return [/[.!?…]$/.test(sentence) ? sentence : `${sentence}.`];
  });
}
