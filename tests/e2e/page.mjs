// The page in Chromium, and the command beside it.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const PAGE = process.env.PAGE;
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });

/** Opens a link of the page and waits until it has an answer. Console errors are collected in `page.errors`. */
export async function open(browser, link = '', options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-US', ...options });
  const page = await context.newPage();
  page.errors = [];
  page.on('console', (message) => message.type() === 'error' && page.errors.push(message.text()));
  page.on('pageerror', (error) => page.errors.push(String(error)));
  await page.goto(PAGE + link);
  await page.waitForSelector('#answer[data-peak-requested]');
  // The page writes its address when it opens, and then at most every 300 ms, since browsers refuse more.
  await page.waitForTimeout(320);
  await settled(page);
  return page;
}

/** Two frames later, whatever was asked of the page is on the screen. */
export const settled = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

export const peak = (page) => page.getAttribute('#answer', 'data-peak-requested').then(Number);

/** A hash of the chart's pixels. */
export const pixels = async (page) =>
  createHash('sha256').update(await page.$eval('#chart', (canvas) => canvas.toDataURL())).digest('hex');

/** Everything that one change should move together. */
export async function look(page) {
  await settled(page);
  return {
    total: await peak(page),
    verdict: await page.getAttribute('#answer', 'data-verdict'),
    pixels: await pixels(page),
    address: await page.evaluate(() => location.search),
    table: await page.textContent('#moments'),
  };
}

/** Opens every folded group of the controls. */
export const unfold = (page) =>
  page.$$eval('.controls details', (groups) => groups.forEach((group) => (group.open = true)));

/** The command's estimate of a link. */
export const estimate = (link) =>
  JSON.parse(execFileSync(`${ROOT}target/debug/vram`, ['estimate', '--link', link, '--format', 'json'], {
    encoding: 'utf8', maxBuffer: 1 << 26,
  }));

/** Chooses a model by its identifier, as a reader does: by typing and Enter. */
export async function chooseModel(page, id) {
  await page.fill('#model', id);
  const options = await page.$$eval('#model-list [role="option"]', (all) => all.map((option) => option.dataset.value));
  await page.click(`#model-${options.indexOf(id)}`);
}
