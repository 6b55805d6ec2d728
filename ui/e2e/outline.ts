// What a screen is to those who do not see it, without its data: landmarks, headings, controls, columns.
// Numbers are masked, and the titles of charts (their regions have the same names) and what there may be any number of (rows, items, options of a filter) is left out.
import type { Page } from 'playwright-core';

const KEPT = new Set('banner navigation main complementary contentinfo region search group heading link button textbox searchbox combobox tablist tab tabpanel table grid treegrid columnheader log radiogroup radio separator img'.split(' '));
const DATA = new Set('listitem row option checkbox text paragraph time cell gridcell'.split(' '));
/** Their items are part of the frame, not data. */
const FRAME = new Set(['navigation', 'banner']);
/** Which of these there are depends on the data. */
const OPTIONAL = /^(Namespace|Workload|Pod|Reason|Container|Kind|Legend|Dead letters)$/;
const LONGEST_NAME = 60;

interface Item { depth: number; role: string; name: string; marks: string }

function itemOf(line: string): Item | null {
  const found = /^(\s*)- '?(\w+)(?: "((?:[^"\\]|\\.)*)")?((?: \[[^\]]*\])*)/.exec(line);
  if (!found) return null;
  const [, indent = '', role = '', name = '', marks = ''] = found;
  // `Cluster: demo` is a control and its value.
  const masked = name.replace(/: .*/, ': …').replace(/\d[\d,.]*/g, '#').replace(/ #$/, '');
  return { depth: indent.length, role, name: masked.length > LONGEST_NAME ? '' : masked, marks: marks.replace(' [disabled]', '') };
}

export function outlineOf(snapshot: string): string {
  const lines = snapshot.split('\n');
  const kept: string[] = [];
  let skipBelow = Infinity;
  let frameBelow = Infinity;
  lines.forEach((line, i) => {
    const item = itemOf(line);
    if (!item || item.depth > skipBelow) return;
    skipBelow = Infinity;
    if (item.depth <= frameBelow) frameBelow = Infinity;
    const isHeader = item.role === 'row' && (lines[i + 1] ?? '').includes('- columnheader');
    const isFrameItem = frameBelow !== Infinity && item.role === 'listitem';
    if ((DATA.has(item.role) && !isHeader && !isFrameItem) || (item.role === 'group' && OPTIONAL.test(item.name)) || (item.role === 'heading' && item.marks.includes('level=3')) || (item.role === 'img' && item.name.length < 12)) {
      skipBelow = item.depth;
      return;
    }
    if (FRAME.has(item.role)) frameBelow = item.depth;
    if (KEPT.has(item.role)) kept.push(`${' '.repeat(item.depth)}${item.role}${item.name ? ` "${item.name}"` : ''}${item.marks}`);
  });
  return kept.join('\n');
}

export const outline = async (page: Page): Promise<string> => outlineOf(await page.locator('body').ariaSnapshot());
