// Every screen at three sizes and in both themes: it shows data, has the structure that was agreed on,
// axe finds nothing serious, and the page says nothing on the console.
// Against a running binary instead of the mock: BASE_URL=http://127.0.0.1:7700 npm run e2e
// After a wanted change of a screen's structure: npm run e2e -- -u
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { seriousFindings } from './axe';
import { openBrowser, type Opened, type View } from './browser';
import { outline } from './outline';
import { openWorld, PATIENCE, type World } from './world';

const SIZES = [{ width: 1440, height: 900 }, { width: 1024, height: 768 }, { width: 390, height: 844 }];
const VIEWS: View[] = SIZES.flatMap((size) => (['dark', 'light'] as const).map((theme) => ({ ...size, theme })));
interface Screen { name: string; path: string; sign: string; whole?: string }
/**
 * Each screen with the sign that it has data. The real binary needs some seconds for its first windows. What comes later
 * still, and only in wide windows, is the sign that the screen is whole.
 */
const SCREENS: Screen[] = [
  { name: 'overview', path: '/', sign: '.health li b' },
  { name: 'workloads', path: '/workloads', sign: '[role=row][aria-rowindex="2"]' },
  { name: 'pods', path: '/workloads?view=flat&sort=-cpu', sign: '[role=row][aria-rowindex="2"]' },
  { name: 'map', path: '/workloads?view=map&group=node', sign: '.cells .label' },
  { name: 'nodes', path: '/nodes', sign: '[role=row][aria-rowindex="2"]' },
  { name: 'events', path: '/events?range=1h', sign: '[role=row][aria-rowindex="2"]' },
  { name: 'explorer', path: '/explorer?match=pod_memory_working_set_bytes&by=namespace&aggregate=sum', sign: '.legend tbody tr', whole: '[aria-label="Search metrics"]' },
  { name: 'logs', path: '/logs?range=1h', sign: '.list .line' },
  { name: 'pipeline', path: '/pipeline', sign: '.grid:has(.stage):has(h2:text-is("Canary")) h2:text-is("Targets")' },
  { name: 'settings', path: '/settings', sign: '.grid:has(.tokens .state strong) .retention tbody tr' },
];

let world: World;
beforeAll(async () => { world = await openWorld(); });
afterAll(async () => { await world.close(); });

describe.each(VIEWS)('$width×$height $theme', (view) => {
  let browser: Opened;
  let page: Page;
  const said: string[] = [];
  beforeAll(async () => {
    browser = await openBrowser(view);
    page = browser.context.pages()[0] ?? (await browser.context.newPage());
    page.on('console', (message) => { if (message.type() === 'error') said.push(message.text()); });
    page.on('pageerror', (error) => said.push(error.message));
  });
  afterAll(async () => { await browser.close(); });

  it.each(SCREENS)('$name shows data and has no serious findings', async ({ path, sign, whole }) => {
    said.length = 0;
    await page.goto(world.url + path);
    await page.waitForSelector(sign, { timeout: PATIENCE });
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe(view.theme);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page scrolls sideways').toBe(true);
    expect(await seriousFindings(page)).toEqual([]);
    expect(said).toEqual([]);
    if (view.width !== 1440 || view.theme !== 'dark') return;
    await page.waitForFunction(() => /^Live \d/.test(document.querySelector('.connection .long')?.textContent ?? ''), null, { timeout: PATIENCE });
    if (whole !== undefined) await page.waitForSelector(whole, { timeout: PATIENCE });
    expect(await outline(page)).toMatchSnapshot();
  });
});
