// What one does with the pages: live updates, filters, panels, keyboard, zoom.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { seriousFindings } from './axe';
import { openBrowser, type Opened } from './browser';
import { FIRST_ROW, openWorld, PATIENCE, type World } from './world';

const CHART = '/explorer?match=pod_memory_working_set_bytes&by=namespace&aggregate=sum';

describe('behaviour', () => {
  let world: World;
  let browser: Opened;
  let page: Page;
  const search = (): string => new URL(page.url()).search;
  beforeAll(async () => {
    world = await openWorld();
    browser = await openBrowser({ width: 1440, height: 900, theme: 'dark' });
    page = browser.context.pages()[0] ?? (await browser.context.newPage());
  });
  afterAll(async () => {
    await browser.close();
    await world.close();
  });

  it('says live only with a connection, and how old the data is', async () => {
    await page.goto(world.url);
    await page.waitForSelector('.connection.ok', { timeout: PATIENCE });
    expect(await page.textContent('.connection .long')).toMatch(/^Live \d+ s$/);
  });

  it('receives live updates without a reload', async () => {
    await page.goto(`${world.url}/pipeline`);
    await page.waitForSelector('.stages .rate', { timeout: PATIENCE });
    const rates = (): Promise<string> => page.evaluate(() => [...document.querySelectorAll('.stage dd, .stage .rate')].map((element) => element.textContent).join());
    const before = await rates();
    await page.waitForFunction((old) => [...document.querySelectorAll('.stage dd, .stage .rate')].map((element) => element.textContent).join() !== old, before, { timeout: PATIENCE });
  });

  it('shows new log lines at the end and holds the tail when one scrolls up', async () => {
    await page.goto(`${world.url}/logs`);
    await page.waitForSelector('.list .line', { timeout: PATIENCE });
    await page.waitForSelector('.tail.on');
    await page.hover('.scroller');
    await page.mouse.wheel(0, -600);
    await page.waitForSelector('text=tail held');
    await page.click('.list .end');
    await page.waitForSelector('.tail.on');
  });

  it('narrows the lines to several values of one field', async () => {
    await page.goto(`${world.url}/logs?range=1h`);
    const values = page.locator('.facet:has(legend:has-text("Workload")) label');
    await values.nth(1).waitFor({ timeout: PATIENCE });
    const names = [await values.nth(0).locator('.cut').textContent(), await values.nth(1).locator('.cut').textContent()];
    const answers = page.waitForResponse((response) => {
      const { pathname, searchParams } = new URL(response.url());
      return pathname.endsWith('/logs') && searchParams.getAll('workload').length === 2;
    });
    for (const name of names) await page.click(`.facet label:has(.cut[title="${name}"])`);
    const { items } = (await (await answers).json()) as { items: { workload: string }[] };
    expect(items.length).toBeGreaterThan(0);
    expect(items.filter((line) => !names.includes(line.workload))).toEqual([]);
    expect(new URL(page.url()).searchParams.getAll('workload').sort()).toEqual([...names].sort());
    await page.waitForFunction(() => document.querySelectorAll('.facet input:checked').length === 2);
  });

  it('keeps filter, sorting and panel over a reload, and Back closes the panel', async () => {
    await page.goto(`${world.url}/workloads?view=flat`);
    const row = FIRST_ROW;
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

  it('leaves a panel closed when one goes back after closing it', async () => {
    await page.goto(`${world.url}/nodes`);
    await page.waitForSelector(FIRST_ROW, { timeout: PATIENCE });
    await page.goto(`${world.url}/workloads?view=flat`);
    await page.waitForSelector(FIRST_ROW, { timeout: PATIENCE });
    await page.click(FIRST_ROW);
    await page.waitForSelector('.panel h2');
    await page.click('[role=tab]:has-text("Events")');
    await page.waitForURL(/tab=events/);
    await page.keyboard.press('Escape');
    await page.waitForURL((url) => !url.search.includes('panel='));
    await page.goBack();
    await page.waitForSelector(FIRST_ROW, { timeout: PATIENCE });
    expect(search()).not.toContain('panel=');
  });

  it('writes the names of pods as whole words, also where they are cut', async () => {
    await page.setViewportSize({ width: 760, height: 900 });
    await page.goto(`${world.url}/workloads?view=flat&sort=name`);
    await page.waitForSelector(FIRST_ROW, { timeout: PATIENCE });
    const names = await page.evaluate(() => [...document.querySelectorAll<HTMLElement>('[role=row] .object-name')].map((element) => {
      const whole = element.querySelector('.whole');
      const selection = getSelection();
      selection?.selectAllChildren(element);
      return { title: element.title, copied: selection?.toString(), nTexts: element.innerText, isCut: whole !== null && whole.scrollWidth > whole.clientWidth, end: getComputedStyle(element, '::after').width };
    }));
    if (world.mock) expect(names.filter((name) => name.isCut).length).toBeGreaterThan(0);
    for (const name of names) {
      expect([name.copied, name.nTexts]).toEqual([name.title, name.title]);
      expect(Number.parseFloat(name.end) > 1, `${name.title}: its end stands behind it only when it is cut`).toBe(name.isCut);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
  });

  it('gives no all-clear for a namespace that nobody knows', async () => {
    await page.goto(`${world.url}/?ns=nope`);
    await page.waitForSelector('.health .sentence', { timeout: PATIENCE });
    expect(await page.locator('.health .sentence.ok').count()).toBe(0);
    expect(await page.textContent('.health')).not.toContain('Nothing is wrong');
  });

  it('says of present states in a past range that they are of now', async () => {
    await page.goto(`${world.url}/workloads?from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z`);
    await page.waitForSelector('.page-head .chip:has-text("now")', { timeout: PATIENCE });
  });

  it('is usable by keyboard alone', async () => {
    await page.goto(world.url);
    await page.waitForSelector('.health', { timeout: PATIENCE });
    await page.keyboard.press('g');
    await page.keyboard.press('w');
    await page.waitForURL(/\/workloads/);
    await page.waitForSelector(FIRST_ROW, { timeout: PATIENCE });
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

  it('draws live points in the chart that is there, and keeps a drag over them', async () => {
    await page.goto(`${world.url}${CHART}`);
    await page.waitForSelector('.legend tbody tr', { timeout: PATIENCE });
    const plot = await page.waitForSelector('.u-over');
    const box = await plot.boundingBox();
    if (!box) throw new Error('no plot');
    await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.8, box.y + 60, { steps: 5 });
    // New points come in while the button is down.
    const answer = (): Promise<unknown> => page.waitForResponse((response) => response.url().includes('/query_range') && response.ok(), { timeout: PATIENCE });
    await answer();
    await answer();
    expect(await plot.evaluate((element) => element.isConnected), 'the chart was built anew').toBe(true);
    await page.mouse.up();
    await page.waitForURL(/from=.*to=/);
    expect(await plot.evaluate((element) => element.isConnected)).toBe(true);
  });

  it('zooms the one range by dragging over a chart and returns on a double click', async () => {
    await page.goto(`${world.url}${CHART}`);
    await page.waitForSelector('.legend tbody tr', { timeout: PATIENCE });
    const box = await page.locator('.u-over').first().boundingBox();
    if (!box) throw new Error('no plot');
    await page.mouse.move(box.x + box.width * 0.5, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 60, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=.*to=/);
    // A range that may hold no points: the way back is the same.
    await page.dblclick('.u-over');
    await page.waitForURL((url) => !url.search.includes('from='));
  });

  it('shows a workload with its pods, events and changes', async () => {
    await page.goto(`${world.url}/workloads?kind=Deployment`);
    await page.waitForSelector(FIRST_ROW, { timeout: PATIENCE });
    await page.click(FIRST_ROW);
    await page.waitForSelector('.panel .pods li', { timeout: PATIENCE });
    for (const [tab, sign] of [['Events', '.panel .event, .panel .state'], ['Changes', '.panel .section table, .panel .section .small']] as const) {
      await page.click(`[role=tab]:has-text("${tab}")`);
      await page.waitForSelector(sign, { timeout: PATIENCE });
      expect(await seriousFindings(page), tab).toEqual([]);
    }
  });

  it('shows a pod with its containers, metrics, logs, events and manifest', async () => {
    await page.goto(`${world.url}/workloads?view=flat&sort=-cpu`);
    await page.waitForSelector(FIRST_ROW, { timeout: PATIENCE });
    await page.click(FIRST_ROW);
    await page.waitForSelector('.containers li', { timeout: PATIENCE });
    await page.click('[role=tab]:has-text("Metrics")');
    await page.waitForSelector('.panel .u-over', { timeout: PATIENCE });
    await page.click('[role=tab]:has-text("YAML")');
    await page.waitForSelector('.manifest .key');
    // Either lines or events, or the words that say why there are none.
    for (const [tab, sign] of [['Logs', '.panel .line, .panel .state'], ['Events', '.panel .event, .panel .state'], ['Summary', '.panel .containers li']] as const) {
      await page.click(`[role=tab]:has-text("${tab}")`);
      await page.waitForSelector(sign, { timeout: PATIENCE });
      expect(await seriousFindings(page), tab).toEqual([]);
    }
  });
});
