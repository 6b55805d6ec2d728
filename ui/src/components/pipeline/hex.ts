// Bytes as people read them: offset, hexadecimal, text.

export interface HexRow { offset: string; hex: string; text: string }
const WIDTH = 16;
/** More is not read by eye; the command line shows it whole. */
const MOST_BYTES = 16 * 1024;

export function hexRows(base64: string): HexRow[] {
  const bytes = Array.from(atob(base64), (letter) => letter.charCodeAt(0)).slice(0, MOST_BYTES);
  const rows: HexRow[] = [];
  for (let i = 0; i < bytes.length; i += WIDTH) {
    const part = bytes.slice(i, i + WIDTH);
    rows.push({
      offset: i.toString(16).padStart(4, '0'),
      hex: part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ').padEnd(WIDTH * 3 - 1),
      text: part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join(''),
    });
  }
  return rows;
}
