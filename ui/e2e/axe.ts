// axe-core in a page: serious and critical findings as sentences.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const SOURCE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Finding { id: string; impact: string; help: string; nodes: { target: string[]; failureSummary: string }[] }
interface Axe { run: (options: object) => Promise<{ violations: Finding[] }> }

export async function seriousFindings(page: Page): Promise<string[]> {
  // The page's policy forbids foreign scripts; this goes through the debugger, not through the page.
  await page.evaluate(SOURCE);
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: Axe };
    return (await axe.run({ resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] })).violations;
  });
  return violations
    .filter((finding) => finding.impact === 'serious' || finding.impact === 'critical')
    .flatMap((finding) => finding.nodes.slice(0, 3).map((node) => `${finding.id}: ${finding.help} at ${node.target.join(' ')} (${node.failureSummary.split('\n').slice(1, 2).join(' ').trim()})`));
}
