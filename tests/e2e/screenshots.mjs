// The pictures in docs/screenshots/.
import { mkdirSync } from 'node:fs';
import { ROOT, launch, open, settled } from './page.mjs';

const folder = `${ROOT}docs/screenshots/`;
mkdirSync(folder, { recursive: true });
const browser = await launch();
const pictures = [
  ['wide', '', {}, async () => {}],
  ['phone', '', { viewport: { width: 390, height: 844 } }, async () => {}],
  ['dark', '', { colorScheme: 'dark' }, async (page) => {
    await page.selectOption('#optimizer', 'adamw_fused');
  }],
  ['chinese', '', {}, async (page) => {
    await page.click('[data-lang="zh"]');
    await page.click('[data-ready="reference-on-gpu"]');
  }],
];
for (const [name, link, options, prepare] of pictures) {
  const page = await open(browser, link, options);
  await prepare(page);
  await page.evaluate(() => scrollTo(0, 0));
  await settled(page);
  await page.screenshot({ path: `${folder}${name}.png`, fullPage: false });
  console.log(`  docs/screenshots/${name}.png`);
}
await browser.close();
