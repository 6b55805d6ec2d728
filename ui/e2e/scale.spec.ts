// Ten thousand pods: the table scrolls and the map draws without more work than few need.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openBrowser, type Opened } from './browser';
import { type Mock, startMock } from './mock-server';
import { FIRST_ROW } from './world';

const N_PODS = 10_000;
/** Enough for as many turns of the wheel. */
const N_FEW = 2000;
const N_TURNS = 60;
const TURN_PX = 700;
/** Both cost the same but for chance; work for every row would cost five times as much. */
const MOST_TIMES = 2;

describe('ten thousand pods', () => {
  let mock: Mock;
  let browser: Opened;
  let page: Page;
  beforeAll(async () => {
    mock = await startMock({ pods: N_PODS });
    browser = await openBrowser({ width: 1440, height: 900, theme: 'dark' });
    page = browser.context.pages()[0] ?? (await browser.context.newPage());
  });
  afterAll(async () => {
    await browser.close();
    await mock.close();
  });

  it('scrolls through the table with no more work than through a small one', async () => {
    const small = await startMock({ pods: N_FEW });
    try {
      const few = await scroll(page, small.url, N_FEW);
      const many = await scroll(page, mock.url, N_PODS);
      expect(median(many), `${median(few).toFixed(1)} ms a turn among ${N_FEW} pods`).toBeLessThan(MOST_TIMES * median(few));
    } finally {
      await small.close();
    }
  });

  it('draws every pod in the map and finds the one under the pointer', async () => {
    await page.goto(`${mock.url}/workloads?view=map&group=node`);
    const cells = page.locator('.cells');
    await cells.waitFor({ timeout: 30_000 });
    await page.waitForFunction(() => (document.querySelector('canvas')?.height ?? 0) > 200);
    await cells.focus();
    await page.keyboard.press('ArrowRight');
    const name = await page.textContent('#map-cell b');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.panel h2');
    expect(await page.textContent('.panel h2')).toBe(name);
  });
});

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Processor time of the page's thread for each turn of the wheel, in ms: others on the machine do not count. */
async function scroll(page: Page, url: string, nPods: number): Promise<number[]> {
  await page.goto(`${url}/workloads?view=flat`);
  await page.waitForSelector(FIRST_ROW, { timeout: 30_000 });
  expect(Number(await page.getAttribute('[role=grid]', 'aria-rowcount'))).toBe(nPods + 1);
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1000 * (metrics.find((metric) => metric.name === 'TaskDuration')?.value ?? Number.NaN);
  };
  await page.hover('[role=grid]');
  const turns: number[] = [];
  for (let i = 0; i < N_TURNS; i += 1) {
    const top = await page.evaluate(() => document.querySelector('[role=grid]')?.scrollTop ?? 0);
    const before = await spent();
    await page.mouse.wheel(0, TURN_PX);
    await page.waitForFunction((old) => (document.querySelector('[role=grid]')?.scrollTop ?? 0) > old, top);
    turns.push((await spent()) - before);
  }
  expect(await page.locator('[role=row]').count(), 'rows out of sight exist').toBeLessThan(120);
  await session.detach();
  return turns;
}
