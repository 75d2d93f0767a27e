// The bars and the timeline: what a reader sees of them, points at and reaches by keyboard.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, look, open, settled } from './page.mjs';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('each bar of the chart stands beside its own name and size', async () => {
  for (const link of ['', '?v=1&model=llama-3.2-1b&objective=ppo', '?v=1&model=llama-3.2-1b&in_backward=1']) {
    const page = await open(browser, link);
    const bars = await page.$$eval('.bar-label, .bar-value', (texts) =>
      texts.filter((text) => text.offsetHeight > 0).map((text) => [text.offsetTop, text.textContent.trim()]));
    const beside = new Map();
    for (const [top, text] of bars) beside.set(top, [...(beside.get(top) ?? []), text]);
    const rows = [...beside].sort(([a], [b]) => a - b).map(([, texts]) => texts);
    const table = await page.$$eval('#moments tbody tr:not([hidden])', (rows) =>
      rows.map((row) => [row.cells[0].textContent.trim(), row.cells[row.cells.length - 1].textContent.trim()]));
    assert.deepEqual(rows, table, link);
  }
});

test('the canvas has as many pixels as the screen, and follows its width', async () => {
  const widths = [];
  for (const deviceScaleFactor of [1, 2]) {
    const page = await open(browser, '', { deviceScaleFactor });
    widths.push(await page.$eval('#chart', (canvas) => [canvas.width, canvas.height]));
    if (deviceScaleFactor === 2) {
      await page.setViewportSize({ width: 700, height: 900 });
      await page.waitForFunction(() => {
        const canvas = document.querySelector('#chart');
        return canvas.width === 2 * canvas.clientWidth;
      });
    }
  }
  assert.deepEqual(widths[1], widths[0].map((pixels) => 2 * pixels));
});

test('the chart follows the colour scheme', async () => {
  const page = await open(browser);
  const light = await look(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await look(page);
  assert.notEqual(dark.pixels, light.pixels);
});

test('hover, tap and arrow keys on a segment show its entries', async () => {
  const page = await open(browser, '', { hasTouch: true });
  await page.hover('#chart', { position: { x: 260, y: 20 } });
  await settled(page);
  assert.match(await page.textContent('.details'), /Forward, Weights: 14\.23 GiB/);
  await page.focus('#chart');
  await page.keyboard.press('ArrowRight');
  await settled(page);
  assert.match(await page.textContent('.details'), /Forward, Optimizer states/);
  await page.keyboard.press('ArrowDown');
  await settled(page);
  assert.match(await page.textContent('.details'), /Loss, Optimizer states.*exp_avg/s);
  await page.tap('#chart', { position: { x: 260, y: 20 } });
  await settled(page);
  assert.match(await page.textContent('.details'), /Forward, Weights/);
});

test('the timeline names its peak, and a scrubber lists what is alive at a moment', async () => {
  const page = await open(browser);
  const said = () => page.getAttribute('#timeline', 'aria-valuetext');
  assert.equal(await said(), 'second step, optimizer step: 71.17 GiB, the peak');
  await page.focus('#timeline');
  await page.keyboard.press('Home');
  await settled(page);
  assert.equal(await said(), 'model loaded: 14.23 GiB');
  assert.match(await page.textContent('#alive'), /gate_up_proj: weight/);
  assert.doesNotMatch(await page.textContent('#alive'), /optimizer/);
  await page.keyboard.press('ArrowRight');
  await settled(page);
  assert.match(await said(), /^first step, forward, layer 1 of 32: 14\./);
  await page.keyboard.press('End');
  await page.keyboard.press('PageDown');
  await settled(page);
  assert.match(await said(), /^second step, backward, layer 7 of 32: /);
  assert.match(await page.textContent('#alive'), /exp_avg/);
  await page.mouse.move(0, 0);
  await page.hover('#timeline', { position: { x: 300, y: 90 } });
  await settled(page);
  assert.match(await said(), /^first step, backward, /);
  await page.focus('#timeline');
  await page.keyboard.press('Escape');
  await settled(page);
  assert.match(await said(), /the peak$/);
  assert.deepEqual(page.errors, []);
});
