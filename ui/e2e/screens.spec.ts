// Every screen at three sizes and in both themes: it shows data, a live update arrives, a reload keeps the state,
// axe finds nothing serious, and the page says nothing on the console.
// Against a running binary instead of the mock: BASE_URL=http://127.0.0.1:7700 npm run e2e
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { seriousFindings } from './axe';
import { openBrowser, type Opened, type View } from './browser';
import { type Mock, startMock } from './mock-server';

const SIZES = [{ width: 1440, height: 900 }, { width: 1024, height: 768 }, { width: 390, height: 844 }];
const VIEWS: View[] = SIZES.flatMap((size) => (['dark', 'light'] as const).map((theme) => ({ ...size, theme })));
/** Each screen with the sign that it has data. The real binary needs some seconds for its first windows. */
const SCREENS = [
  { name: 'overview', path: '/', sign: '.health li b' },
  { name: 'workloads', path: '/workloads', sign: '[role=row][aria-rowindex="2"]' },
  { name: 'pods', path: '/workloads?view=flat&sort=-cpu', sign: '[role=row][aria-rowindex="2"]' },
  { name: 'nodes', path: '/nodes', sign: '[role=row][aria-rowindex="2"]' },
  { name: 'events', path: '/events?range=1h', sign: '[role=row][aria-rowindex="2"]' },
  { name: 'explorer', path: '/explorer?match=pod_memory_working_set_bytes&by=namespace&aggregate=sum', sign: '.legend tbody tr' },
  { name: 'logs', path: '/logs?range=1h', sign: '.list .line' },
  { name: 'pipeline', path: '/pipeline', sign: '.stages .stage' },
];
const REAL = process.env.SENTINEL_URL ?? '';
const PATIENCE = REAL ? 45_000 : 8000;

let mock: Mock | null = null;
let base = REAL;
beforeAll(async () => {
  if (base !== '') return;
  mock = await startMock();
  base = mock.url;
});
afterAll(async () => { await mock?.close(); });

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

  it.each(SCREENS)('$name shows data and has no serious findings', async ({ path, sign }) => {
    said.length = 0;
    await page.goto(base + path);
    await page.waitForSelector(sign, { timeout: PATIENCE });
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe(view.theme);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page scrolls sideways').toBe(true);
    expect(await seriousFindings(page)).toEqual([]);
    expect(said).toEqual([]);
  });
});

describe('behaviour', () => {
  let browser: Opened;
  let page: Page;
  const search = (): string => new URL(page.url()).search;
  beforeAll(async () => {
    browser = await openBrowser({ width: 1440, height: 900, theme: 'dark' });
    page = browser.context.pages()[0] ?? (await browser.context.newPage());
  });
  afterAll(async () => { await browser.close(); });

  it('says live only with a connection, and how old the data is', async () => {
    await page.goto(base);
    await page.waitForSelector('.connection.ok', { timeout: PATIENCE });
    expect(await page.textContent('.connection .long')).toMatch(/^Live \d+ s$/);
  });

  it('receives live updates without a reload', async () => {
    await page.goto(`${base}/pipeline`);
    await page.waitForSelector('.stages .rate', { timeout: PATIENCE });
    const rates = (): Promise<string> => page.evaluate(() => [...document.querySelectorAll('.stage dd, .stage .rate')].map((element) => element.textContent).join());
    const before = await rates();
    await page.waitForFunction((old) => [...document.querySelectorAll('.stage dd, .stage .rate')].map((element) => element.textContent).join() !== old, before, { timeout: PATIENCE });
  });

  it('shows new log lines at the end and holds the tail when one scrolls up', async () => {
    await page.goto(`${base}/logs`);
    await page.waitForSelector('.list .line', { timeout: PATIENCE });
    await page.waitForSelector('.tail.on');
    await page.hover('.scroller');
    await page.mouse.wheel(0, -600);
    await page.waitForSelector('text=tail held');
    await page.click('.list .end');
    await page.waitForSelector('.tail.on');
  });

  it('keeps filter, sorting and panel over a reload, and Back closes the panel', async () => {
    await page.goto(`${base}/workloads?view=flat`);
    const row = '[role=row][aria-rowindex="2"]';
    await page.waitForSelector(row, { timeout: PATIENCE });
    await page.click('[role=columnheader] button:has-text("Memory")');
    await page.waitForURL(/sort=-memory/);
    await page.click(row);
    await page.waitForURL(/panel=pod/);
    await page.waitForSelector('.panel h2');
    const name = await page.textContent('.panel h2');
    const address = page.url();
    await page.reload();
    await page.waitForSelector('.panel .containers li', { timeout: PATIENCE });
    expect(page.url()).toBe(address);
    expect(await page.textContent('.panel h2')).toBe(name);
    await page.goBack();
    await page.waitForSelector('.panel', { state: 'detached' });
    expect(search()).toContain('sort=-memory');
  });

  it('is usable by keyboard alone', async () => {
    await page.goto(base);
    await page.waitForSelector('.health', { timeout: PATIENCE });
    await page.keyboard.press('g');
    await page.keyboard.press('w');
    await page.waitForURL(/\/workloads/);
    await page.waitForSelector('[role=row][aria-rowindex="2"]', { timeout: PATIENCE });
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.panel');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.panel', { state: 'detached' });
    await page.keyboard.press('/');
    await page.keyboard.type('zzz-nothing');
    await page.waitForSelector('text=Nothing matches');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+k');
    await page.waitForSelector('[role=dialog] input');
    await page.keyboard.type('pipeline');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/pipeline/);
    await page.keyboard.press('?');
    await page.waitForSelector('[role=dialog] dl');
    expect(await seriousFindings(page)).toEqual([]);
    await page.keyboard.press('Escape');
  });

  it('zooms the one range by dragging over a chart and returns on a double click', async () => {
    await page.goto(`${base}/explorer?match=pod_memory_working_set_bytes&by=namespace&aggregate=sum`);
    await page.waitForSelector('.legend tbody tr', { timeout: PATIENCE });
    const box = await page.locator('.u-over').first().boundingBox();
    if (!box) throw new Error('no plot');
    await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.9, box.y + 60, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=.*to=/);
    await page.dblclick('.u-over');
    await page.waitForFunction(() => !location.search.includes('from='));
  });

  it('shows a pod with its containers, metrics, logs, events and manifest', async () => {
    await page.goto(`${base}/workloads?view=flat&sort=-cpu`);
    await page.waitForSelector('[role=row][aria-rowindex="2"]', { timeout: PATIENCE });
    await page.click('[role=row][aria-rowindex="2"]');
    await page.waitForSelector('.containers li', { timeout: PATIENCE });
    await page.click('[role=tab]:has-text("Metrics")');
    await page.waitForSelector('.panel .u-over', { timeout: PATIENCE });
    await page.click('[role=tab]:has-text("YAML")');
    await page.waitForSelector('.manifest .key');
    for (const tab of ['Logs', 'Events']) {
      await page.click(`[role=tab]:has-text("${tab}")`);
      await page.waitForTimeout(300);
      expect(await seriousFindings(page), tab).toEqual([]);
    }
  });

  it.runIf(REAL === '')('says that the connection is lost, how old the data is, and recovers', async () => {
    await page.goto(base);
    await page.waitForSelector('.connection.ok');
    await browser.context.setOffline(true);
    mock?.dropClients();
    await page.waitForSelector('.connection.serious');
    expect(await page.textContent('.connection .long')).toMatch(/^Reconnecting, data \d+ s old$/);
    await browser.context.setOffline(false);
    await page.waitForSelector('.connection.ok', { timeout: 20_000 });
  });
});
