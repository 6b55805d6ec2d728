// The connection is lost and comes back: the page says so, says how old its data is, and shows nothing twice.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openBrowser, type Opened } from './browser';
import { startMock } from './mock-server';
import { BINARY, FIRST_ROW, type Running, startBinary } from './world';

describe('connection', () => {
  let browser: Opened;
  let page: Page;
  beforeAll(async () => {
    browser = await openBrowser({ width: 1440, height: 900, theme: 'dark' });
    page = browser.context.pages()[0] ?? (await browser.context.newPage());
  });
  afterAll(async () => { await browser.close(); });

  it('says that the connection is lost, how old the data is, and recovers', async () => {
    const mock = await startMock();
    try {
      await page.goto(mock.url);
      await page.waitForSelector('.connection.ok');
      await browser.context.setOffline(true);
      mock.dropClients();
      await page.waitForSelector('.connection.serious');
      expect(await page.textContent('.connection .long')).toMatch(/^Reconnecting, data \d+ s old$/);
      await page.waitForSelector('.health .sentence.unknown');
      expect(await page.textContent('.health .sentence')).toMatch(/^Not known now/);
      await browser.context.setOffline(false);
      await page.waitForSelector('.connection.ok', { timeout: 20_000 });
    } finally {
      await mock.close();
    }
  });

  it.runIf(BINARY !== '')('goes on after the server was killed and started again, with its history and nothing twice', { timeout: 180_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sentinel-e2e-'));
    let server: Running = await startBinary(folder);
    try {
      await page.goto(`${server.url}/logs`);
      await page.waitForSelector('.list .line', { timeout: 60_000 });
      const listen = new URL(server.url).host;

      await server.kill();
      await page.waitForSelector('.connection.serious', { timeout: 20_000 });
      expect(await page.textContent('.connection .long')).toMatch(/^Reconnecting, data .+ old$/);
      const lastBefore = await lastLogTime(page);

      server = await startBinary(folder, { listen });
      await page.waitForSelector('.connection.ok', { timeout: 60_000 });
      // New lines behind those from before the kill, in the page that was open all the time.
      await page.waitForFunction((time) => [...document.querySelectorAll('.list .line time')].some((element) => (element.getAttribute('title') ?? '') > time), lastBefore, { timeout: 60_000 });

      const answer = (await (await fetch(`${server.url}/api/v1/logs?from=-15m&limit=5000&order=asc`)).json()) as { items: { id: string }[] };
      expect(new Set(answer.items.map((line) => line.id)).size).toBe(answer.items.length);
      const range = (await (await fetch(`${server.url}/api/v1/query_range?match=pod_memory_working_set_bytes&by=namespace&aggregate=sum&from=-15m`)).json()) as { series: { points: [number, number][] }[] };
      for (const { points } of range.series) expect(points.every((point, i) => i === 0 || point[0] > (points[i - 1]?.[0] ?? 0))).toBe(true);

      await page.goto(`${server.url}/workloads?view=flat`);
      await page.waitForSelector(FIRST_ROW, { timeout: 60_000 });
    } finally {
      await server.kill();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

const lastLogTime = (page: Page): Promise<string> => page.evaluate(() => [...document.querySelectorAll('.list .line time')].map((element) => element.getAttribute('title') ?? '').sort().at(-1) ?? '');
